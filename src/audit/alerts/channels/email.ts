/**
 * Alerts as e-mail, plain text, handed to a mail server by SMTP (RFC 5321), over TLS from the start or after STARTTLS
 * (RFC 3207), which is then demanded: a server that offers none gets no password and no alert.
 *
 * All mails of an alert refer to the same message id, so that mail programs show them as one thread.
 *
 * @module
 */
import { createTransport } from 'nodemailer';
import { plainText, wordsOf } from '../words.ts';
import { ChannelError, type Channel, type Envelope } from './channel.ts';

/** A mail server that takes longer is taken as one that is away. */
const TIMEOUT_MS = 15_000;

export type MailSecurity = 'starttls' | 'tls' | 'none';

export interface EmailOptions extends Pick<Channel, 'name' | 'severities'> {
  readonly host: string;
  readonly port: number;
  readonly security: MailSecurity;
  readonly login: { readonly user: string; readonly password: string } | null;
  readonly from: string;
  readonly to: readonly string[];
  /** Certificates to trust beside those of the system, PEM. */
  readonly ca: string | null;
}

export function emailChannel(options: EmailOptions): Channel {
  const { name, severities, host, port, security, login, from, to, ca } = options;
  const transport = createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
    tls: { minVersion: 'TLSv1.2', ...(ca === null ? {} : { ca }) },
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    dnsTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    name,
    kind: 'email',
    severities,
    send: async (envelope, signal) => {
      try {
        await transport.sendMail({ ...mailOf(envelope, from), to: [...to], signal });
      } catch (cause) {
        throw mailError(cause as MailFailure);
      }
    },
    close: () => transport.close(),
  };
}

function mailOf({ notice, id, alertId, origin }: Envelope, from: string): MailFields {
  const words = wordsOf(notice);
  const thread = `<${alertId}@claviger.invalid>`;
  return {
    from,
    subject: `[Claviger] ${notice.alert.severity}: ${words.title} (${notice.alert.subject})`,
    text: `${plainText(words)}\n-- \n${origin}\n`,
    messageId: `<${id}@claviger.invalid>`,
    references: [thread],
    inReplyTo: thread,
    // RFC 3834: nobody's holiday message answers it.
    headers: { 'Auto-Submitted': 'auto-generated' },
    textEncoding: 'quoted-printable',
  };
}

interface MailFields {
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly messageId: string;
  readonly references: string[];
  readonly inReplyTo: string;
  readonly headers: Record<string, string>;
  readonly textEncoding: 'quoted-printable';
}

interface MailFailure extends Error {
  readonly code?: string;
  readonly responseCode?: number;
}

/** 550 to 554 speak of this mail; the rest may change once somebody mends a password or a server. */
function mailError(failure: MailFailure): ChannelError {
  const { code, responseCode, message } = failure;
  const refused = responseCode !== undefined && responseCode >= 550 && responseCode <= 554 && code !== 'EAUTH';
  const answered =
    responseCode === undefined ? message : `answered ${responseCode}${code === 'EAUTH' ? ' to the login' : ''}`;
  return new ChannelError(`the mail server: ${answered}`, { refused, cause: failure });
}
