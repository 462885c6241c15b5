/**
 * What `claviger inspect` shows. Nothing of it is verified, and it says so.
 *
 * @module
 */
import type { MessageHeader } from '../../envelope/index.ts';
import { SEALED_BYTES_MAX } from '../../envelope/sealed/limits.ts';
import { ClavigerError } from '../../errors.ts';
import { rawOrBase64 } from '../input.ts';
import type { Session } from '../session.ts';
import { plain, record } from '../table.ts';
import { bodySizeOf, type BodySize } from './body-size.ts';
import { blobWords, describeBlob, describeKeys, suiteText, type DescribedBlob, type DescribedKey } from './describe.ts';
import { headerOf } from './header-of.ts';
import { KIND_BYTES, kindOf } from './kind.ts';
import { openSource, type Source } from './source.ts';

/** No blob is longer, nor base64 text of one. */
const SHORT_BYTES_MAX = 64 * 1024;

const UNVERIFIED = 'nothing of this is verified: anybody can have written it. What opens with `claviger decrypt` is';

interface InspectedMessage {
  readonly format: 'message';
  readonly formatVersion: 1 | 2;
  readonly suite: string;
  readonly signed: boolean;
  readonly committing: boolean;
  readonly messageId: Uint8Array;
  readonly context: Readonly<Record<string, string>>;
  readonly keys: readonly DescribedKey[];
  readonly contentType: MessageHeader['contentType'];
  readonly frameBytes: number;
  readonly headerBytes: number;
  /** Of the file; null where it is not one. */
  readonly fileBytes: number | null;
  /** Null where nobody knows: of a stream, or a message that is cut off. */
  readonly body: BodySize | null;
  /** Whether the parts fit the length of the file; null for a stream. */
  readonly whole: boolean | null;
}

export async function inspectFile(session: Session, path: string): Promise<void> {
  await using source = openSource(session.terminal, path);
  const kind = kindOf(await source.first(KIND_BYTES));
  if (kind === 'message') return showMessage(session, await inspectMessage(source));
  const bytes = await source.first(SHORT_BYTES_MAX + 1);
  const blob = bytes.length > SHORT_BYTES_MAX ? null : describeBlob(rawOrBase64(bytes));
  if (blob !== null) return showBlob(session, blob);
  const sealed = describeSealed(await source.first(SEALED_BYTES_MAX));
  if (sealed !== null) return showSealed(session, sealed);
  if (kind === 'base64')
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `${source.name} looks like base64 of a message: \`base64 -d < FILE | claviger inspect -\` shows it`,
    );
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `${source.name} is neither a message of the AWS Encryption SDK, nor a ciphertext blob, nor sealed configuration`,
  );
}

async function inspectMessage(source: Source): Promise<InspectedMessage> {
  const header = await headerOf(source);
  const { formatVersion, suite, messageId, context, encryptedDataKeys, contentType, frameBytes, headerBytes } = header;
  const body = source.bytes === null ? null : await bodySizeOf(header, source.bytes, source.readAt);
  return {
    format: 'message',
    formatVersion,
    suite: suiteText(suite),
    signed: suite.signature !== null,
    committing: suite.committing,
    messageId,
    context,
    keys: describeKeys(encryptedDataKeys),
    contentType,
    frameBytes,
    headerBytes,
    fileBytes: source.bytes,
    body,
    whole: source.bytes === null ? null : body !== null,
  };
}

interface DescribedSealed {
  readonly format: 'sealed-configuration';
  /** Values that are sealed. */
  readonly values: number;
  readonly keys: readonly string[];
}

/** Null for what does not say that it is sealed configuration (spec/sealed-config.md). */
function describeSealed(bytes: Buffer): DescribedSealed | null {
  const text = bytes.toString('utf8');
  if (!text.includes('sealed by Claviger')) return null;
  const keys = new Set([...text.matchAll(/arn:[a-z-]+:kms:[\w-]+:\d{12}:key\/[\w-]+/g)].map(([arn]) => arn));
  return { format: 'sealed-configuration', values: [...text.matchAll(/claviger:v1:/g)].length, keys: [...keys] };
}

function showSealed(session: Session, sealed: DescribedSealed): void {
  session.answer(sealed, () =>
    [
      record([
        ['format', 'sealed configuration of Claviger, version 1; `claviger unseal` opens it'],
        ['values', String(sealed.values)],
        ...sealed.keys.map((key, at): readonly [string, string] => [`key ${at + 1}`, key]),
      ]),
      session.terminal.styled('dim', UNVERIFIED),
    ].join('\n'),
  );
}

function showMessage(session: Session, message: InspectedMessage): void {
  session.answer(message, () => {
    const { context, keys, body, fileBytes, messageId } = message;
    const pairs = Object.entries(context).map(([name, value]) => `${name}=${value}`);
    return [
      record([
        ['format', `message of the AWS Encryption SDK, version ${message.formatVersion}`],
        ['suite', message.suite],
        ['signed', message.signed ? 'yes' : 'no'],
        ['commits to key', message.committing ? 'yes' : 'no; --commitment-policy decides whether it is opened'],
        ['message id', Buffer.from(messageId).toString('hex')],
        ['context', pairs.length === 0 ? 'none' : plain(pairs.join(', '))],
        ...keys.map((key, at): readonly [string, string] => [`key ${at + 1}`, keyWords(key)]),
        ['frames', framesText(message)],
        ['header', `${message.headerBytes} bytes`],
        ['file', fileBytes === null ? null : `${fileBytes} bytes`],
        ['plaintext', plaintextText(message)],
        ['signature', body === null || body.signatureBytes === 0 ? null : `${body.signatureBytes} bytes`],
      ]),
      session.terminal.styled('dim', UNVERIFIED),
    ].join('\n');
  });
}

function keyWords({ provider, key, blob }: DescribedKey): string {
  return plain([provider, key, blobWords(blob)].filter((word) => word !== '').join('  '));
}

function framesText({ contentType, frameBytes, body }: InspectedMessage): string {
  if (contentType === 'non-framed') return 'none: one body, verified at its end';
  return body === null ? `of ${frameBytes} bytes` : `${body.frames} of ${frameBytes} bytes`;
}

function plaintextText({ body, whole }: InspectedMessage): string | null {
  if (body !== null) return `${body.plaintextBytes} bytes`;
  return whole === false ? 'unknown: the file is cut off, or has been added to' : null;
}

function showBlob(session: Session, blob: DescribedBlob): void {
  session.answer({ format: 'blob', ...blob }, () =>
    [
      record([
        ['format', 'ciphertext blob of Claviger, version 1'],
        [
          'kind',
          blob.kind === 'direct'
            ? 'direct: the key itself encrypted it'
            : 'wrapped: homes of the key wrapped its data key',
        ],
        ['tenant', blob.tenantId],
        ['key', blob.keyId],
        ['version', String(blob.keyVersion)],
        ['homes', blob.homes.join(', ')],
        ['plaintext', `${blob.plaintextBytes} bytes`],
      ]),
      session.terminal.styled('dim', UNVERIFIED),
    ].join('\n'),
  );
}
