/**
 * Opens the witnesses and copies that the configuration names, and compares the copies with the log before anything is
 * answered.
 *
 * @module
 */
import { FileCopy, WebhookCopy } from '../audit/copies.ts';
import { CheckpointKeepers, RewrittenError } from '../audit/keepers.ts';
import type { Ledger } from '../audit/ledger.ts';
import { receiverUrl } from '../audit/post.ts';
import { COSIGNATURE_TYPES, LOG_KEY_TYPES, parseVerifierKey } from '../audit/signed-note.ts';
import { webhookSecret } from '../audit/webhook.ts';
import { Witness } from '../audit/witness.ts';
import { ClavigerError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { systemSleep } from '../ports/sleep.ts';
import type { StoreReader } from '../store/contract.ts';

/** A file system that does not answer must not keep the server from its start. */
const CHECK_MS_MAX = 5000;

export interface WitnessConfig {
  readonly name: string;
  readonly url: string;
  readonly key: string;
  readonly everySeconds: number;
}

export type CopyConfig =
  | {
      readonly kind: 'file';
      readonly name: string;
      readonly path: string;
      readonly everySeconds: number;
      readonly acceptRewritten?: number | undefined;
    }
  | {
      readonly kind: 'webhook';
      readonly name: string;
      readonly url: string;
      readonly secret: string;
      readonly everySeconds: number;
    };

export interface KeepersConfig {
  readonly witnesses: readonly WitnessConfig[];
  /** Undefined for more than half of them. */
  readonly witnessQuorum?: number | undefined;
  readonly copies: readonly CopyConfig[];
}

export const NO_KEEPERS: KeepersConfig = { witnesses: [], copies: [] };

/** @throws INVALID_ARGUMENT where it is no address that a path can be put behind */
export function witnessPrefix(text: string, what: string): URL {
  const url = receiverUrl(text, what, 'anywhere');
  if (url.search === '') return url;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${what}\`: must have no ? in it: \`/add-checkpoint\` is put behind it`,
  );
}

/** Witnesses that make a checkpoint a cosigned one. */
export function quorumOf({ witnesses, witnessQuorum }: Pick<KeepersConfig, 'witnesses' | 'witnessQuorum'>): number {
  return witnessQuorum ?? Math.floor(witnesses.length / 2) + 1;
}

/** What keepers are told about. */
export interface KeptLog {
  readonly ledger: Ledger;
  readonly store: StoreReader;
  /** Verifier key of the log. */
  readonly logKey: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens them, for `begin` to begin.
 *
 * @throws STORE_UNAVAILABLE where a copy holds a checkpoint that the log does not continue
 */
export async function openKeepers(config: KeepersConfig, kept: KeptLog): Promise<CheckpointKeepers> {
  const { ledger, store, logKey, clock, log } = kept;
  const source = {
    logId: ledger.logId,
    key: parseVerifierKey(logKey, 'log key', LOG_KEY_TYPES),
    treeHashes: (...wanted: Parameters<StoreReader['treeHashes']>) => store.treeHashes(...wanted),
    size: () => ledger.size,
    clock,
    log,
  };
  const witnessKeys = config.witnesses.map(({ name, key }) =>
    parseVerifierKey(key, `key of ${name}`, COSIGNATURE_TYPES),
  );
  const witnesses = config.witnesses.map(({ name, url, everySeconds }, position) => {
    const at = witnessPrefix(url, `url of ${name}`);
    return new Witness({ name, url: at, key: witnessKeys[position]!, everyMs: everySeconds * 1000 }, source);
  });
  const copies = config.copies.map((copy) => {
    const { name, everySeconds } = copy;
    const everyMs = everySeconds * 1000;
    if (copy.kind === 'file') {
      return new FileCopy({ name, everyMs, path: copy.path, acceptRewritten: copy.acceptRewritten ?? null }, source);
    }
    const url = receiverUrl(copy.url, `url of ${name}`, 'loopback');
    return new WebhookCopy({ name, everyMs, url, secret: webhookSecret(copy.secret, `secret of ${name}`) }, source);
  });
  for (const copy of copies) if (copy.kind === 'file') await requireContinued(copy, log);
  return CheckpointKeepers.open({
    keepers: [...witnesses, ...copies],
    witnessKeys,
    quorum: quorumOf(config),
    ledger,
    store,
    clock,
    sleep: systemSleep,
    log,
  });
}

/** A copy that cannot be read is told of and compared later: storage that is away is no reason not to start. */
async function requireContinued(copy: FileCopy, log: Log): Promise<void> {
  const ended = new AbortController();
  const overdue = systemSleep(CHECK_MS_MAX, ended.signal).then(() => {
    if (!ended.signal.aborted) throw new Error(`no answer within ${CHECK_MS_MAX / 1000} s`);
  });
  try {
    await Promise.race([copy.check(), overdue]);
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof RewrittenError)) {
      log.write('error', `the copy of checkpoints \`${copy.name}\` cannot be compared with the log`, {
        cause: message,
      });
      return;
    }
    const way =
      error.size === null
        ? ''
        : `; to go on with this log nevertheless, set \`acceptRewritten: ${error.size}\` for this copy, see docs/operating/witnesses.md`;
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      `the log was rewritten, by what \`${copy.name}\` has: ${message}${way}`,
    );
  } finally {
    ended.abort();
  }
}
