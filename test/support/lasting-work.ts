/**
 * Mixed work of which every answer says something that must hold from then on, whatever happens to the process or the
 * disk: a key exists, a tag is set, a name names it, a key is out of use, a ciphertext opens. Nothing of it is ever taken
 * back, so that it can be looked for after any crash.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { ClavigerClient } from '../../src/client/index.ts';
import { postBytes, type Call, type CallAnswer } from './socket-load.ts';
import type { StoredEntry } from './stored-log.ts';

const MESSAGE = Buffer.from('hello');
const MESSAGE_BASE64 = MESSAGE.toString('base64');
/** Answers of which the output is kept, among those that give one: the others are looked for in the log only. */
const KEPT_OF = 16;

/** What an answer has promised. */
export interface Done {
  readonly requestId: string;
  readonly index: number;
  readonly operation: string;
  readonly fact: Fact | null;
}

export type Fact = LifeFact | OutputFact;

interface OutputFact {
  readonly kind: 'ciphertext' | 'signature';
  readonly key: string;
  readonly output: string;
}

/** What has become of a key. */
type LifeFact =
  | { readonly kind: 'made' | 'rotated' | 'suspended'; readonly key: string }
  | { readonly kind: 'tagged'; readonly key: string; readonly tag: string }
  | { readonly kind: 'named'; readonly key: string; readonly alias: string };

export interface Worked {
  readonly endpoint: string;
  readonly token: string;
}

/** Keys that many calls use at once. */
export interface SharedKeys {
  readonly aes: string;
  readonly p256: string;
}

export async function makeSharedKeys({ endpoint, token }: Worked): Promise<SharedKeys> {
  const client = new ClavigerClient({ endpoint, token });
  const { id: aes } = await client.createKey({ spec: 'AES-256-GCM' });
  const { id: p256 } = await client.createKey({ spec: 'P-256' });
  return { aes, p256 };
}

interface WorkCall extends Call {
  readonly factOf: ((body: string) => Fact) | null;
}

/** The steps of a key's life, in order, each in its own call. */
const CHANGES = ['CreateKey', 'TagKey', 'RotateKey', 'CreateAlias', 'DisableKey'] as const;

/** The work of one run of the server: a change for every `changeOf` calls, signatures and encryptions in between. */
export class Work {
  readonly #server: Worked;
  readonly #changeOf: number;
  readonly #uses: readonly WorkCall[];
  /** Connection → the key whose life it leads, and the step that comes next. */
  readonly #lives = new Map<number, { key: string; step: number }>();
  #calls = 0;

  constructor(server: Worked, { aes, p256 }: SharedKeys, changeOf: number) {
    this.#server = server;
    this.#changeOf = changeOf;
    const encrypt = this.#post(`/v1/keys/${aes}:encrypt`, { plaintext: MESSAGE_BASE64 });
    const sign = this.#post(`/v1/keys/${p256}:sign`, { message: MESSAGE_BASE64 });
    const output = (kind: 'ciphertext' | 'signature', key: string) => (body: string) =>
      ({ kind, key, output: (JSON.parse(body) as Record<string, string>)[kind]! }) as const;
    const plain = [
      { bytes: encrypt, operation: 'Encrypt', factOf: null },
      { bytes: sign, operation: 'Sign', factOf: null },
    ];
    const kept = [
      { bytes: encrypt, operation: 'Encrypt', factOf: output('ciphertext', aes) },
      { bytes: sign, operation: 'Sign', factOf: output('signature', p256) },
    ];
    this.#uses = Array.from({ length: KEPT_OF }, (_, n) => (n < 2 ? kept : plain)[n % 2]!);
  }

  next(connection: number): WorkCall {
    const n = this.#calls++;
    return n % this.#changeOf === 0 ? this.#change(connection) : this.#uses[n % KEPT_OF]!;
  }

  /** @throws AssertionError where it was not answered well */
  done({ call, status, requestId, index, body }: CallAnswer<WorkCall>, connection: number): Done {
    assert.ok(status < 300, `${call.operation} was answered ${status}: ${body}`);
    const fact = call.factOf?.(body) ?? null;
    const life = this.#lives.get(connection);
    if (fact?.kind === 'made') this.#lives.set(connection, { key: fact.key, step: 1 });
    else if (life !== undefined && call.operation === CHANGES[life.step]) life.step += 1;
    return { requestId, index: index!, operation: call.operation, fact };
  }

  #change(connection: number): WorkCall {
    const { key, step } = this.#lives.get(connection) ?? { key: '', step: 0 };
    const operation = CHANGES[step % CHANGES.length]!;
    const name = `${key}-${this.#calls}`;
    const call = (path: string, body: object, fact: Fact): WorkCall => ({
      bytes: this.#post(path, body),
      operation,
      factOf: () => fact,
    });
    switch (operation) {
      case 'CreateKey':
        return {
          bytes: this.#post('/v1/keys', { spec: 'AES-256-GCM' }),
          operation,
          factOf: (body) => ({ kind: 'made', key: (JSON.parse(body) as { id: string }).id }),
        };
      case 'TagKey':
        return call(`/v1/keys/${key}:tag`, { tags: { n: name } }, { kind: 'tagged', key, tag: name });
      case 'RotateKey':
        return call(`/v1/keys/${key}:rotate`, {}, { kind: 'rotated', key });
      case 'CreateAlias':
        return call('/v1/aliases', { name, key }, { kind: 'named', key, alias: name });
      case 'DisableKey':
        return call(`/v1/keys/${key}:disable`, {}, { kind: 'suspended', key });
    }
  }

  #post(path: string, body: object): Buffer {
    return postBytes(this.#server.endpoint, this.#server.token, path, body);
  }
}

/**
 * Fails where an answer has no record, another one or two, or where any request has two.
 *
 * @param log every record that the answers could have, and all others that `known` does not hold
 * @param known ids of requests in the log before; those of `log` are added
 */
export function checkRecords(log: readonly StoredEntry[], done: readonly Done[], known = new Set<string>()): void {
  const byRequest = new Map<string, StoredEntry>();
  for (const entry of log) {
    const requestId = entry.record['requestId'] as string;
    assert.ok(!byRequest.has(requestId) && !known.has(requestId), `request ${requestId} is in the log twice`);
    byRequest.set(requestId, entry);
  }
  for (const requestId of byRequest.keys()) known.add(requestId);
  for (const { requestId, index, operation } of done) {
    const entry = byRequest.get(requestId);
    assert.ok(entry !== undefined, `the answered request ${requestId} (${operation}) is not in the log`);
    assert.deepEqual(
      [entry.index, entry.record['operation'], entry.record['outcome']],
      [index, operation, 'OK'],
      `the record of ${requestId}`,
    );
  }
}

export function isLife(fact: Fact): fact is LifeFact {
  return fact.kind !== 'ciphertext' && fact.kind !== 'signature';
}

/** Fails where what was answered does not hold any more. Puts suspended keys back into use to see that they work. */
export async function checkFacts({ endpoint, token }: Worked, facts: readonly Fact[]): Promise<void> {
  const client = new ClavigerClient({ endpoint, token });
  const lives = Map.groupBy(facts.filter(isLife), ({ key }) => key);
  await Promise.all([
    ...facts.filter((fact) => !isLife(fact)).map((fact) => checkOutput(client, fact)),
    ...[...lives].map(([key, life]) => checkKey(client, key, life)),
  ]);
}

async function checkOutput(client: ClavigerClient, { kind, key, output }: OutputFact): Promise<void> {
  const bytes = Buffer.from(output, 'base64');
  if (kind === 'ciphertext') {
    const { plaintext } = await client.decrypt({ key, ciphertext: bytes });
    assert.deepEqual(Buffer.from(plaintext), MESSAGE);
  } else {
    assert.ok((await client.verify({ key, message: MESSAGE, signature: bytes })).valid);
  }
}

async function checkKey(client: ClavigerClient, key: string, facts: readonly LifeFact[]): Promise<void> {
  const { state, tags, primaryVersion, aliases } = await client.describeKey({ key });
  for (const fact of facts) {
    if (fact.kind === 'tagged') assert.equal(tags['n'], fact.tag, `the tag of key ${key}`);
    if (fact.kind === 'rotated') assert.equal(primaryVersion, 2, `the version of key ${key}`);
    if (fact.kind === 'named') assert.ok(aliases.includes(fact.alias), `the alias of key ${key}`);
    if (fact.kind === 'suspended') assert.equal(state, 'Suspended', `the state of key ${key}`);
  }
  // Under way, a change may have happened without an answer; whether or not, its material is there and opens.
  if (state === 'Suspended') {
    await assert.rejects(client.encrypt({ key, plaintext: MESSAGE }), { code: 'KEY_DISABLED' });
    await client.enableKey({ key });
  }
  const { ciphertext } = await client.encrypt({ key, plaintext: MESSAGE });
  assert.deepEqual(Buffer.from((await client.decrypt({ key, ciphertext })).plaintext), MESSAGE);
}

/** The facts of answers. */
export function factsOf(done: readonly Done[]): readonly Fact[] {
  return done.map(({ fact }) => fact).filter((fact) => fact !== null);
}
