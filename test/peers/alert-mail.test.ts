/** Alerts by e-mail, to aiosmtpd: STARTTLS and TLS, the login, what a mail says, and what is refused. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test, type TestContext } from 'node:test';
import { emailChannel, type Channel } from '../../src/audit/alerts/index.ts';
import { SEVERITIES } from '../../src/audit/alerts/rules.ts';
import type { EmailOptions } from '../../src/audit/alerts/channels/index.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { envelope } from '../unit/audit/alerts/notices.ts';

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly data: string;
  readonly tls: string | null;
  readonly user: string | null;
}

interface MailServer {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** The mails, once there are so many. */
  has(count: number): Promise<readonly Mail[]>;
  stop(): Promise<void>;
}

const USER = 'claviger';
const PASSWORD = 'correct horse battery staple';
let folder: string;
let ca: string | undefined;

before(() => {
  folder = testFolder();
});
after(() => removeFolder(folder));

function makeCertificate(openssl: string): void {
  if (ca !== undefined) return;
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const key = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')];
  execFileSync(openssl, [...key, ...files, ...subject], { stdio: 'ignore' });
  ca = readFileSync(join(folder, 'certificate.pem'), 'utf8');
}

async function mailServer(t: TestContext, mode: 'starttls' | 'tls' | 'plain' | 'reject'): Promise<MailServer | null> {
  const peer = await requirePeer(t, 'smtp');
  const openssl = await requirePeer(t, 'openssl');
  if (peer === null || openssl === null) return null;
  makeCertificate(openssl.program);
  const [program = '', ...args] = peer.server;
  const files = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const child: ChildProcess = spawn(program, [...args, mode, ...files, USER, PASSWORD], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout! });
  const [port] = (await once(lines, 'line')) as [string];
  const mails: Mail[] = [];
  lines.on('line', (line: string) => mails.push(JSON.parse(line) as Mail));
  const stop = async (): Promise<void> => {
    child.stdin!.end();
    await exited;
  };
  t.after(stop);
  const has = async (count: number): Promise<readonly Mail[]> => {
    while (mails.length < count) await once(lines, 'line', { signal: soon() });
    return mails;
  };
  return { port: Number(port), mails, has, stop };
}

function channel(port: number, more: Partial<EmailOptions> = {}): Channel {
  return emailChannel({
    name: 'officers',
    severities: SEVERITIES,
    host: 'localhost',
    port,
    security: 'starttls',
    login: { user: USER, password: PASSWORD },
    from: 'claviger@example.com',
    to: ['officer@example.com', 'auditor@example.com'],
    ca: ca!,
    ...more,
  });
}

const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** Headers of a mail, unfolded, and its text. */
function parsed({ data }: Mail): { headers: Record<string, string>; text: string } {
  const [head = '', ...rest] = Buffer.from(data, 'base64').toString().split('\r\n\r\n');
  const lines = head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  const text = rest
    .join('\r\n\r\n')
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));
  return { headers, text };
}

for (const security of ['starttls', 'tls'] as const) {
  test(`a mail goes over ${security}, after a login, to every recipient`, async (t) => {
    const server = await mailServer(t, security);
    if (server === null) return;
    await channel(server.port, { security }).send(envelope(), soon());
    const [mail] = await server.has(1);
    assert.deepEqual(mail!.to, ['officer@example.com', 'auditor@example.com']);
    assert.equal(mail!.from, 'claviger@example.com');
    assert.match(mail!.tls!, /^TLSv1\.[23]$/);
    assert.equal(mail!.user, USER);
  });
}

test('a mail says what an alert says, as plain text, and mails of one alert are a thread', async (t) => {
  const server = await mailServer(t, 'plain');
  if (server === null) return;
  const plain = channel(server.port, { security: 'none', login: null });
  await plain.send(envelope('firing'), soon());
  await plain.send(envelope('resolved'), soon());
  const [firing, resolved] = (await server.has(2)).map(parsed);
  assert.equal(
    firing!.headers['subject'],
    '[Claviger] critical: a key is being deleted, or somebody tried to (019a0000-0000-7000-8000-00000000000a)',
  );
  assert.match(firing!.headers['content-type']!, /^text\/plain; charset=utf-8/);
  assert.equal(firing!.headers['auto-submitted'], 'auto-generated');
  for (const line of [
    'principal  019a0000-0000-7000-8000-0000000000f1 (deploy)',
    'source     198.51.100.7',
    'count      2',
    'Runbook: docs/operating/alerts.md#key-deletion',
  ]) {
    assert.ok(firing!.text.includes(line), `${line}\nnot in\n${firing!.text}`);
  }
  assert.match(resolved!.headers['subject']!, /over: a key is being deleted/);
  assert.equal(firing!.headers['references'], resolved!.headers['references']);
  assert.notEqual(firing!.headers['message-id'], resolved!.headers['message-id']);
});

test('a name cannot add a header or a recipient', async (t) => {
  const server = await mailServer(t, 'plain');
  if (server === null) return;
  const subject = 'x\r\nBcc: evil@example.com\r\n\r\nbody';
  await channel(server.port, { security: 'none', login: null }).send(envelope('firing', { subject }), soon());
  const [mail] = await server.has(1);
  assert.deepEqual(mail!.to, ['officer@example.com', 'auditor@example.com']);
  assert.equal(parsed(mail!).headers['bcc'], undefined);
});

test('nothing is sent to a server that offers no STARTTLS', async (t) => {
  const server = await mailServer(t, 'plain');
  if (server === null) return;
  await assert.rejects(channel(server.port).send(envelope(), soon()), { refused: false });
  assert.deepEqual(server.mails, []);
});

test('nothing is sent to a server whose certificate nobody vouches for', async (t) => {
  const server = await mailServer(t, 'starttls');
  if (server === null) return;
  await assert.rejects(channel(server.port, { ca: null }).send(envelope(), soon()), /self-signed certificate/);
  assert.deepEqual(server.mails, []);
});

test('a wrong password is told without it', async (t) => {
  const server = await mailServer(t, 'starttls');
  if (server === null) return;
  const wrong = channel(server.port, { login: { user: USER, password: 'not the one at all' } });
  await assert.rejects(wrong.send(envelope(), soon()), (error: Error & { refused: boolean }) => {
    assert.equal(error.message, 'the mail server: answered 535 to the login');
    assert.equal(error.refused, false);
    return true;
  });
});

test('a mail that the server will not have is refused for good', async (t) => {
  const server = await mailServer(t, 'reject');
  if (server === null) return;
  const plain = channel(server.port, { security: 'none', login: null });
  await assert.rejects(plain.send(envelope(), soon()), { message: 'the mail server: answered 554', refused: true });
});

test('a server sends its alerts as mail, by its configuration alone', async (t) => {
  const mail = await mailServer(t, 'starttls');
  if (mail === null) return;
  const server = await startTestServer({
    config: `alerts:
  channels:
    - name: officers
      kind: email
      host: localhost
      port: ${mail.port}
      user: ${USER}
      password: \${SMTP_PASSWORD}
      ca: ${JSON.stringify(join(folder, 'certificate.pem'))}
      from: claviger@example.com
      to: [officer@example.com]
`,
    environment: { SMTP_PASSWORD: PASSWORD },
  });
  t.after(() => server.stop());
  assert.deepEqual((await server.client.testAlerts()).results, [{ channel: 'officers', delivered: true, error: null }]);
  assert.match(parsed((await mail.has(1))[0]!).headers['subject']!, /test: this is what an alert looks like/);
});
