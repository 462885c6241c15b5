/**
 * What `claviger decrypt` does with a file, whatever it is.
 *
 * A message that is short is held until all of it is verified. A longer one streams: into a file that has its name only
 * once the end is verified, or to whoever reads standard output, who is told.
 *
 * @module
 */
import type { CommitmentPolicy } from '../../envelope/index.ts';
import { ClavigerError } from '../../errors.ts';
import type { EncryptionAlgorithmName } from '../../model/algorithm.ts';
import { keyOf } from '../ciphertext-key.ts';
import { rawOrBase64 } from '../input.ts';
import { writeResult, type OutputOptions } from '../output.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import { requireBinaryOutput } from './encrypt-file.ts';
import { KIND_BYTES, kindOf, type FileKind } from './kind.ts';
import { messageReport } from './message-report.ts';
import { decryptTo, decryptWhole } from './message.ts';
import { meter } from './meter.ts';
import type { Places } from './places.ts';
import { openSource, wholeOf, type Source } from './source.ts';
import { openTarget } from './target.ts';
import { Unfinished } from './unfinished.ts';
import { writeWhole } from './write-whole.ts';

/** Held in memory until it is verified, whoever reads; as large as the largest frame. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;
/** No ciphertext of a key is longer, nor base64 text of one. */
const SHORT_BYTES_MAX = 64 * 1024;
/** A plaintext is for its owner only. */
const SECRET_MODE = 0o600;

const TOO_LONG = 'and is no message of the AWS Encryption SDK, which may be';

export interface DecryptFileOptions extends OutputOptions {
  /** Empty for those that the ciphertext names. */
  readonly keys: readonly string[];
  readonly context?: Readonly<Record<string, string>>;
  readonly algorithm?: EncryptionAlgorithmName;
  readonly keyVersion?: number;
  readonly commitmentPolicy?: CommitmentPolicy;
}

interface Opened {
  readonly plaintext: Uint8Array;
  /** What `--json` tells, without the plaintext. */
  readonly report: object;
}

export async function decryptFile(session: Session, places: Places, options: DecryptFileOptions): Promise<void> {
  await using source = openSource(session.terminal, places.input);
  const kind = isOfRsa(options) ? 'other' : kindOf(await source.first(KIND_BYTES));
  if (kind === 'message' && (await source.first(HELD_BYTES_MAX + 1)).length > HELD_BYTES_MAX) {
    return await decryptStreaming(session, places, source, options);
  }
  const { plaintext, report } = await open(session, kind, source, options);
  try {
    await deliver(session, places, options, plaintext, report);
  } finally {
    plaintext.fill(0);
  }
}

/** Any bytes may be a ciphertext of RSA. */
function isOfRsa({ algorithm, keyVersion }: DecryptFileOptions): boolean {
  return (algorithm !== undefined && algorithm !== 'SYMMETRIC_DEFAULT') || keyVersion !== undefined;
}

async function open(session: Session, kind: FileKind, source: Source, options: DecryptFileOptions): Promise<Opened> {
  if (kind === 'message') return openShort(session, await source.first(HELD_BYTES_MAX), options);
  const bytes = rawOrBase64(await wholeOf(source, SHORT_BYTES_MAX, TOO_LONG));
  if (kind === 'base64' && kindOf(bytes) === 'message') return openShort(session, bytes, options);
  return openBlob(session, bytes, options);
}

async function openBlob(session: Session, ciphertext: Buffer, options: DecryptFileOptions): Promise<Opened> {
  const { keys, context, algorithm, keyVersion } = options;
  if (keys.length > 1) throw new UsageError('a blob is of one key; say the right one, or none');
  const key = keys[0] ?? keyOf(ciphertext);
  const { plaintext, ...report } = await session.client().decrypt({ key, ciphertext, context, algorithm, keyVersion });
  return { plaintext, report };
}

async function openShort(session: Session, message: Buffer, options: DecryptFileOptions): Promise<Opened> {
  const { keys, context = {}, commitmentPolicy } = options;
  const service = session.client();
  const { plaintext, header } = await decryptWhole(message, { service, keys, context, commitmentPolicy });
  return {
    plaintext,
    report: messageReport({ header, bytesRead: message.length, bytesWritten: plaintext.length }),
  };
}

/** To `--out` as a file that is whole or not there, otherwise as every result is written. */
async function deliver(
  session: Session,
  { output, force, ofFiles }: Places,
  options: DecryptFileOptions,
  plaintext: Uint8Array,
  report: object,
): Promise<void> {
  if (!ofFiles || output === undefined) {
    writeResult(session, { ...report, plaintext }, plaintext, { ...options, output }, true);
    // A pipe takes some of it and holds the rest, which is not to change until it is taken.
    const { stream } = session.terminal.output;
    await new Promise<void>((resolve) => stream.write('', () => resolve()));
    return;
  }
  if (options.base64 || options.hex) throw new UsageError('--base64 and --hex go with -o; --out takes the bytes');
  await writeWhole(session, output, plaintext, { force, mode: SECRET_MODE });
  if (session.json) session.answer({ ...report, output }, () => '');
}

async function decryptStreaming(
  session: Session,
  { output, force }: Places,
  source: Source,
  options: DecryptFileOptions,
): Promise<void> {
  requireBinaryOutput(session, output, options);
  const { terminal, json } = session;
  const { keys, context = {}, commitmentPolicy } = options;
  using unfinished = new Unfinished(terminal);
  await using target = openTarget(terminal, output, { unfinished, force, mode: SECRET_MODE });
  if (!target.isAtomic) {
    terminal.say('plaintext leaves before the end of the message is verified; do not use it unless the exit code is 0');
  }
  const told = meter(terminal, source.name, source.bytes);
  try {
    const service = session.client();
    const made = await decryptTo(source, target, { service, keys, context, commitmentPolicy, onBytes: told.add });
    await target.finish();
    told.clear();
    if (json) terminal.print(JSON.stringify({ ...messageReport(made), output }, null, 2));
  } catch (error) {
    told.clear();
    throw target.isAtomic ? error : notWhole(error);
  }
}

/** What has left cannot be taken back. */
function notWhole(error: unknown): unknown {
  if (!(error instanceof ClavigerError) || error.code !== 'INVALID_CIPHERTEXT') return error;
  return new ClavigerError(
    'INVALID_CIPHERTEXT',
    `${error.message}; the plaintext that has left already is incomplete or not what was encrypted: throw it away`,
    { cause: error },
  );
}
