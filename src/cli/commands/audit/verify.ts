/**
 * `claviger audit verify`: whether a log, or one receipt, is what its key signed. Needs no server for an export.
 *
 * Exit code 1 says that there is a finding, and nothing else does: scripts raise an alarm by it. So what cannot be read or
 * written on this machine is a command line that cannot be meant, 2.
 *
 * @module
 */
import { statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import {
  FINDINGS_MAX,
  folderSource,
  MalformedError,
  parseVerifierKey,
  urlSource,
  verifyLog,
  verifyReceipt,
  type Finding,
  type LogReport,
  type LogSource,
  type LogSummary,
  type NamedCheckpoint,
  type ReceiptSummary,
  type VerifierKey,
} from '../../../audit/verifier/index.ts';
import { ClavigerError } from '../../../errors.ts';
import { CliCommand } from '../../command.ts';
import { findConnection, requireEndpoint } from '../../connection.ts';
import { EXIT, exitCodeOf } from '../../exit-codes.ts';
import { readInput } from '../../input.ts';
import { forgetCheckpoint, keepCheckpoint, knownCheckpointPath, readKnownCheckpoint } from '../../known-checkpoints.ts';
import { requireOneStdin } from '../../one-stdin.ts';
import { writeText } from '../../output.ts';
import { progress } from '../../progress.ts';
import type { Session } from '../../session.ts';
import { plain, record } from '../../table.ts';
import { UsageError } from '../../usage-error.ts';

/** A receipt of a batch with a hundred items and their contexts. */
const RECEIPT_BYTES_MAX = 4 << 20;
const DO_NOT_REMEMBER = 'with --no-remember nothing is kept there, and --save keeps the checkpoint where you say';
const PATH_OF_LOG = /\/v1\/audit\/log\/?$/;

interface VerifyOptions {
  readonly key: string;
  readonly since?: string;
  readonly save?: string;
  readonly witness?: readonly string[];
  readonly all?: boolean;
  readonly forget?: boolean;
  readonly remember: boolean;
}

export function verifyCommand(): CliCommand {
  return new CliCommand('verify')
    .description('Verify a log or a receipt with nothing but its key; the exit code is 1 where something is wrong')
    .argument('<log>', 'folder of `claviger audit export`, URL of a server, or file with a receipt')
    .requiredOption('--key <key>', 'verifier key of the log, or a file with it; get it once, from somebody you trust')
    .option(
      '--since <file>',
      'an older checkpoint, from which the log must have gone on; a receipt is held against one of its own size',
    )
    .option('--witness <keys...>', 'verifier keys of witnesses that must have cosigned')
    .option('--all', `tell every finding in a log, ${FINDINGS_MAX} at most, not only the first`)
    .option('--save <file>', 'write the checkpoint that was verified here')
    .option('--forget', 'forget what was verified of the log before, and begin anew')
    .option('--no-remember', 'neither look at what was verified before nor keep what is verified now')
    .examples(
      'claviger audit verify ./export --key log.key',
      'claviger audit verify https://kms.example.com:8550 --key log.key --since last-month.checkpoint',
      'claviger audit verify receipt.json --key log.key',
    )
    .run<VerifyOptions>(verify);
}

async function verify(session: Session, options: VerifyOptions, target: string): Promise<number> {
  requireOneStdin(target, options.key, ...(options.since === undefined ? [] : [options.since]));
  const key = await readVerifierKey(session, options.key);
  const witnesses = (options.witness ?? []).map((text) => requireKey(text, 'witness', '--witness'));
  requireWritable(options.save);
  if (isReceipt(target)) return verifyOne(session, options, target, key, witnesses);
  const source = orUsage(() => sourceOf(session, target), 'see `claviger login --help`');
  return verifyAll(session, options, source, key, witnesses);
}

async function verifyAll(
  session: Session,
  options: VerifyOptions,
  source: LogSource,
  key: VerifierKey,
  witnesses: readonly VerifierKey[],
): Promise<number> {
  const { terminal } = session;
  const known = options.remember ? knownCheckpointPath(terminal.env, key.text) : null;
  if (known !== null && options.forget === true) orUsage(() => forgetCheckpoint(known), DO_NOT_REMEMBER);
  const work = progress(terminal);
  const report = await verifyLog(source, {
    key,
    witnesses,
    since: await olderCheckpoints(session, options.since, known),
    findingsMax: options.all === true ? FINDINGS_MAX : 1,
    onProgress: (records, of) => work.show(`${number(records)} of ${number(of)} records …`),
  })
    .catch((error: unknown) => {
      throw source.live ? unanswered(error) : usageOf(error);
    })
    .finally(() => work.clear());
  const { log, findings } = report;
  const whole = findings.length === 0 && log !== null;
  session.answer({ verified: whole, ...report }, () => logInWords(session, source, report));
  if (whole) keep(session, log.checkpoint, { save: options.save, known });
  return whole ? EXIT.ok : EXIT.failed;
}

/** After the answer: a disk that is full takes nothing of it away. */
function keep(
  { terminal }: Session,
  note: string,
  { save, known }: { save?: string | undefined; known: string | null },
): void {
  try {
    if (save !== undefined) orUsage(() => writeText(terminal, note, save), 'what was answered holds');
  } finally {
    if (known !== null) orUsage(() => keepCheckpoint(known, note), `what was answered holds; ${DO_NOT_REMEMBER}`);
  }
}

async function verifyOne(
  session: Session,
  options: VerifyOptions,
  file: string,
  key: VerifierKey,
  witnesses: readonly VerifierKey[],
): Promise<number> {
  for (const name of ['all', 'forget'] as const) {
    if (options[name] === true)
      throw new UsageError(`--${name} is for a folder or a server; for a receipt it means nothing`);
  }
  const known = options.remember ? knownCheckpointPath(session.terminal.env, key.text) : null;
  const since = await olderCheckpoints(session, options.since, known);
  const text = (await readArgument(session, file, RECEIPT_BYTES_MAX, 'a receipt has not')).toString();
  const { receipt, findings } = verifyReceipt(text, { key, since, witnesses });
  const verified = findings.length === 0;
  session.answer({ verified, receipt, findings }, () =>
    receipt === null ? findingsInWords(session, findings) : receiptInWords(session, receipt),
  );
  // It is not remembered: no proof shows that the log goes on from what was verified here to it.
  if (receipt !== null) keep(session, receipt.checkpoint, { save: options.save, known: null });
  return verified ? EXIT.ok : EXIT.failed;
}

async function olderCheckpoints(
  session: Session,
  since: string | undefined,
  known: string | null,
): Promise<readonly NamedCheckpoint[]> {
  const older: NamedCheckpoint[] = [];
  if (since !== undefined) {
    older.push({ name: `the checkpoint in \`${since}\``, note: await readArgument(session, since) });
  }
  const remembered = known === null ? null : orUsage(() => readKnownCheckpoint(known), DO_NOT_REMEMBER);
  if (remembered !== null) older.push({ name: 'the checkpoint that was verified here before', ...remembered });
  return older;
}

async function readVerifierKey(session: Session, given: string): Promise<VerifierKey> {
  // A key has plus signs where a path seldom has; a file of that name is meant nevertheless.
  const inFile = isFile(given) || given === '-' || !given.includes('+');
  const text = inFile ? (await readArgument(session, given)).toString().trim() : given;
  return requireKey(text, 'log', inFile ? `\`${given}\`` : '--key');
}

/** What an argument names. */
async function readArgument({ terminal }: Session, path: string, bytesMax?: number, tooLong?: string): Promise<Buffer> {
  return readInput(terminal, path, bytesMax, tooLong).catch((error: unknown) => {
    throw usageOf(error);
  });
}

/** Before anything is read, which may take minutes. */
function requireWritable(save: string | undefined): void {
  if (save === undefined || save === '-') return;
  if (isFolder(save)) throw new UsageError(`cannot write \`${save}\`: it is a folder; name a file for --save`);
  if (!isFolder(dirname(save))) {
    throw new UsageError(
      `cannot write \`${save}\`: there is no folder \`${dirname(save)}\`; make it, or name another file for --save`,
    );
  }
}

/** What cannot be read or written here, as an error of the command line. */
function usageOf(error: unknown, next?: string): unknown {
  if (!(error instanceof ClavigerError) || !['INVALID_ARGUMENT', 'LIMIT_EXCEEDED'].includes(error.code)) return error;
  return new UsageError(next === undefined ? error.message : `${error.message}; ${next}`);
}

/** What a server fails at, whatever it is, is no finding. */
function unanswered(error: unknown): unknown {
  if (!(error instanceof ClavigerError) || exitCodeOf(error.code) !== EXIT.failed) return error;
  return new ClavigerError('PROVIDER_UNAVAILABLE', error.message, { cause: error.cause });
}

function orUsage<T>(work: () => T, next: string): T {
  try {
    return work();
  } catch (error) {
    throw usageOf(error, next);
  }
}

function requireKey(text: string, of: 'log' | 'witness', where: string): VerifierKey {
  try {
    return parseVerifierKey(text, of);
  } catch (error) {
    if (error instanceof MalformedError) throw new UsageError(`what ${where} gives ${error.message}`);
    throw error;
  }
}

function sourceOf(session: Session, target: string): LogSource {
  if (!/^https?:\/\//i.test(target)) {
    if (isFolder(target)) return folderSource(target);
    throw new UsageError(`\`${target}\` is no folder, no URL of a server and no file with a receipt`);
  }
  const endpoint = requireEndpoint(target.replace(PATH_OF_LOG, ''));
  const { token } = findConnection(session.terminal, { ...session.options, endpoint });
  return urlSource({ endpoint, token });
}

function isReceipt(target: string): boolean {
  return target === '-' || isFile(target);
}

function isFile(path: string): boolean {
  return statsOf(path)?.isFile() ?? false;
}

function isFolder(path: string): boolean {
  return statsOf(path)?.isDirectory() ?? false;
}

/** null where there is nothing, or nothing that we may look at. */
function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function logInWords(session: Session, { name }: LogSource, { log, warnings, findings }: LogReport): string {
  const { terminal } = session;
  const lines: string[] = [];
  // Where the reading stopped early, what was counted till then says little.
  if (log !== null) lines.push(record(findings.length === 0 ? rowsOf(log) : rowsOf(log).slice(0, 2)), '');
  lines.push(...warnings.map((warning) => `${terminal.styled('yellow', 'warning:')} ${plain(warning)}`));
  if (findings.length > 0) lines.push(findingsInWords(session, findings));
  else lines.push(`${terminal.styled('green', 'verified:')} every record of ${plain(name)} is what was signed`);
  return lines.join('\n');
}

function rowsOf(log: LogSummary): readonly (readonly [string, string | null])[] {
  const { size, rootHash, records, batches, opened, redacted, checkpoints, since, witnesses } = log;
  return [
    ['log', plain(log.origin)],
    ['newest checkpoint', `size ${number(size)}, root ${rootHash}`],
    ['records', `${number(records)}, ${number(batches)} of them batches`],
    ['last record', log.lastTime],
    ['openings', `${number(opened)} opened, ${number(redacted)} redacted`],
    ['checkpoints', number(checkpoints)],
    ['goes on from', since.map((older) => `size ${number(older)}`).join(', ')],
    ...witnesses.map(({ name, size: at, time }): [string, string] => [
      'witness',
      at === null ? `${plain(name)}: none` : `${plain(name)}: size ${number(at)}, at ${time!}`,
    ]),
  ];
}

function findingsInWords({ terminal }: Session, findings: readonly Finding[]): string {
  return findings
    .map(({ kind, message, next }) => `${terminal.styled('red', `${kind}:`)} ${plain(message)}\n  ${next}`)
    .join('\n');
}

function receiptInWords({ terminal }: Session, receipt: ReceiptSummary): string {
  const { origin, index, size, since, uncompared, record: entry, values, closed, witnesses } = receipt;
  const rows = record([
    ['log', plain(origin)],
    ['record', `${number(index)} of ${number(size)}`],
    ['time', entry.time],
    ['operation', plain(entry.operation ?? '')],
    ['outcome', plain(entry.outcome ?? 'not known yet')],
    ['key', plain(entry.key ?? '')],
    ['request', plain(entry.requestId)],
    ...Object.entries(values).map(([name, value]): [string, string] => [name, plain(value)]),
    ['not opened', closed.join(', ')],
    ['compared with', since.length === 0 ? null : 'the checkpoint of the same size that was seen before'],
    ...witnesses.map(({ name, time }): [string, string] => ['witness', `${plain(name)}, at ${time}`]),
  ]);
  const others = uncompared.map(
    ({ name, size: at }) =>
      `${terminal.styled('yellow', 'not compared:')} ${plain(name)} has size ${number(at)}; a receipt alone cannot show that it is consistent with that, an export or the server can\n`,
  );
  return `${rows}\n\n${others.join('')}${terminal.styled('green', 'verified:')} the record is in the log`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
