/**
 * Batches of encrypt, decrypt, sign and verify under one key: one call and one record for up to 100 items.
 *
 * The key's own refusals refuse the batch. What is wrong with one item is that item's answer, and no other's.
 *
 * @module
 */
import type { DraftItem } from '../audit/record.ts';
import { signNow } from '../crypto/sign.ts';
import { requireContext, NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import { ClavigerError, toClavigerError, toldToCallers } from '../errors.ts';
import type { KeyWithVersions } from '../model/key.ts';
import type { ThreadSignature } from '../providers/key-handle.ts';
import { decryptUnder, type CiphertextInput, type DecryptOutput } from './decrypt.ts';
import { encryptUnder, type EncryptOutput, type PlaintextInput } from './encrypt.ts';
import type { Effect, Operation } from './operation.ts';
import type { Scope, Use } from './scope.ts';
import { prepareSignature, type SignOutput, type ToSign } from './sign.ts';
import type { KeyInput } from './transition.ts';
import { verifyUnder, type ToVerify, type VerifyOutput } from './verify.ts';

export const BATCH_ITEMS_MAX = 100;
/**
 * Of the signatures that the writer thread makes, every so manyth of a batch is made on the event loop, which would wait
 * for the thread otherwise. It parses and encodes the batch as well, so a third makes both work about as long.
 */
const SIGNED_HERE_EVERY = 3;

export interface BatchInput<I> extends KeyInput {
  /** 1 to 100. */
  readonly items: readonly I[];
}

export type ItemResult<O> = { readonly output: O } | { readonly error: ClavigerError };

export interface BatchOutput<O> {
  /** In the order of the items. */
  readonly results: readonly ItemResult<O>[];
}

export const encryptBatch: Operation<BatchInput<PlaintextInput>, BatchOutput<EncryptOutput>> = {
  name: 'EncryptBatch',
  async run(scope, { key: name, items }) {
    const found = await useForBatch(scope, name, { usage: 'encrypt-decrypt', kind: 'protect' }, items);
    return finished(scope, await eachWithContext(scope, found, items, (item) => encryptUnder(scope, found, item)));
  },
};

export const decryptBatch: Operation<BatchInput<CiphertextInput>, BatchOutput<DecryptOutput>> = {
  name: 'DecryptBatch',
  async run(scope, { key: name, items }) {
    const found = await useForBatch(scope, name, { usage: 'encrypt-decrypt', kind: 'process' }, items);
    return finished(scope, await eachWithContext(scope, found, items, (item) => decryptUnder(scope, found, item)));
  },
};

export const verifyBatch: Operation<BatchInput<ToVerify>, BatchOutput<VerifyOutput>> = {
  name: 'VerifyBatch',
  async run(scope, { key: name, items }) {
    const found = await useForBatch(scope, name, { usage: 'sign-verify', kind: 'process' }, items);
    scope.authorize({ kind: 'key', key: found.key });
    return finished(scope, await each(scope, items, (item) => verifyUnder(scope, found, item)));
  },
};

export const signBatch: Operation<BatchInput<ToSign>, BatchOutput<SignOutput>> = {
  name: 'SignBatch',
  async run(scope, { key: name, items }) {
    const found = await useForBatch(scope, name, { usage: 'sign-verify', kind: 'protect' }, items);
    scope.authorize({ kind: 'key', key: found.key });
    const tasks: ThreadSignature[] = [];
    let turn = 0;
    const prepared = await each(scope, items, async (item) => {
      const { made, task } = await prepareSignature(scope, found, item);
      if (task instanceof Promise) return { ...made, signature: await task };
      turn += 1;
      if (turn % SIGNED_HERE_EVERY === 0) return { ...made, signature: signNow(task, task.algorithm, task.input) };
      // The thread's signatures come back in the order of their tasks.
      return { ...made, signature: tasks.push(task) - 1 };
    });
    noteItems(scope, prepared);
    const finish = (signatures: readonly Buffer[]): BatchOutput<SignOutput> => ({
      results: prepared.map(({ result }): ItemResult<SignOutput> => {
        if ('error' in result) return result;
        const { signature } = result.output;
        return {
          output: { ...result.output, signature: typeof signature === 'number' ? signatures[signature]! : signature },
        };
      }),
    });
    return tasks.length === 0 ? { output: finish([]) } : { signs: tasks, finish };
  },
};

/** Resolve → usage → state → limits for the whole batch; each item is authorised by itself, for it has its own context. */
async function useForBatch(scope: Scope, name: string, use: Use, items: readonly unknown[]): Promise<KeyWithVersions> {
  if (items.length < 1 || items.length > BATCH_ITEMS_MAX) {
    throw new ClavigerError('INVALID_ARGUMENT', `a batch has 1 to ${BATCH_ITEMS_MAX} items`);
  }
  const found = await scope.resolve(name);
  const contexts = items.map((item) => (item as { context?: EncryptionContext }).context);
  // Whoever may do this with no item is told so before anything of the key.
  authorizeOne(scope, found, contexts);
  scope.requireUse(found.key, { ...use, items: items.length });
  return found;
}

/** @throws PERMISSION_DENIED where no item is permitted */
function authorizeOne(
  scope: Scope,
  found: KeyWithVersions,
  contexts: readonly (EncryptionContext | undefined)[],
): void {
  let denial: unknown;
  for (const context of contexts) {
    try {
      scope.authorize({ kind: 'key', key: found.key }, context ?? NO_CONTEXT);
      return;
    } catch (error) {
      denial = error;
    }
  }
  throw denial;
}

interface Done<O> {
  readonly result: ItemResult<O>;
  readonly item: DraftItem;
}

function eachWithContext<I extends { readonly context?: EncryptionContext | undefined }, O extends Made>(
  scope: Scope,
  { key }: KeyWithVersions,
  items: readonly I[],
  work: (item: I) => Promise<O>,
): Promise<Done<O>[]> {
  return each(scope, items, (item) => {
    scope.authorize({ kind: 'key', key }, requireContext(item.context ?? NO_CONTEXT));
    return work(item);
  });
}

interface Made {
  readonly keyVersion: number | null;
  readonly algorithm: string;
}

/** Works the items off one after the other, so that the facts that one notes are its own. */
async function each<I, O extends Made>(
  scope: Scope,
  items: readonly I[],
  work: (item: I) => Promise<O>,
): Promise<Done<O>[]> {
  const done: Done<O>[] = [];
  for (const item of items) {
    scope.note({ digest: null, algorithm: null, keyVersion: null });
    let result: ItemResult<O>;
    try {
      result = { output: await work(item) };
    } catch (thrown) {
      result = { error: itemError(scope, thrown) };
    }
    const { digest, algorithm, keyVersion } = scope.facts;
    const context = contextOf(item);
    done.push({ result, item: { digest, algorithm, keyVersion, context, outcome: outcomeOf(scope, result) } });
  }
  scope.wipeShared();
  return done;
}

/** The context of an item that has one, for the record. */
function contextOf(item: unknown): EncryptionContext | null {
  const { context } = item as { readonly context?: EncryptionContext };
  return context === undefined || Object.keys(context).length === 0 ? null : context;
}

function itemError({ services, call }: Scope, thrown: unknown): ClavigerError {
  const error = toClavigerError(thrown);
  if (error.code !== 'INTERNAL') return toldToCallers(error);
  const cause = thrown instanceof Error ? thrown.stack : String(thrown);
  services.log.write('error', 'internal error in a batch', { requestId: call.requestId, cause });
  return toClavigerError(null);
}

function outcomeOf({ operation }: Scope, result: ItemResult<Made>): string {
  if ('error' in result) return result.error.code;
  const found = operation === 'VerifyBatch' && !(result.output as unknown as VerifyOutput).valid;
  return found ? 'INVALID_SIGNATURE' : 'OK';
}

function noteItems(scope: Scope, done: readonly Done<unknown>[]): void {
  scope.note({ digest: null, algorithm: null, keyVersion: null, items: done.map(({ item }) => item) });
}

function finished<O>(scope: Scope, done: readonly Done<O>[]): Effect<BatchOutput<O>> {
  noteItems(scope, done);
  return { output: { results: done.map(({ result }) => result) } };
}
