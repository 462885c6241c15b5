/**
 * Files whose keys have several homes, moved by what `claviger rewrap` does with each, over providers in memory that fail
 * on command.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { describeBlob, describeKeys } from '../../src/cli/files/describe.ts';
import { KeysNow } from '../../src/cli/files/rewrap/keys-now.ts';
import { rewrapFile, type RewrapTerms } from '../../src/cli/files/rewrap/one-file.ts';
import { Unfinished } from '../../src/cli/files/unfinished.ts';
import { processTerminal } from '../../src/cli/terminal.ts';
import {
  clavigerKeyring,
  discoveryKeyring,
  Envelope,
  rawAesKeyring,
  readMessageHeader,
} from '../../src/envelope/index.ts';
import { failing, homesService, type HomesService } from '../support/homes-service.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const TEXT = Buffer.from('the text');

interface World {
  readonly it: HomesService;
  readonly key: string;
  readonly path: string;
  /** As a run of the command has them: what keys make now is asked once in each. */
  readonly terms: (more?: Partial<RewrapTerms>) => RewrapTerms;
}

async function world(t: TestContext): Promise<World> {
  const folder = testFolder();
  t.after(() => removeFolder(folder));
  const it = await homesService(t);
  const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
  const terminal = processTerminal();
  const unfinished = new Unfinished(terminal);
  t.after(() => unfinished[Symbol.dispose]());
  const terms = (more: Partial<RewrapTerms> = {}): RewrapTerms => ({
    service: withMissing(it),
    keysNow: new KeysNow(withMissing(it)),
    keys: [],
    context: {},
    commitmentPolicy: undefined,
    dryRun: false,
    unfinished,
    terminal,
    onBytes: () => undefined,
    ...more,
  });
  return { it, key, path: join(folder, 'file'), terms };
}

/** The service as its gateways and the library give it: an answer says which homes are missing. */
function withMissing({ api }: HomesService): HomesService['api'] {
  const encrypt: typeof api.encrypt = async (input) => {
    const made = await api.encrypt(input);
    const { homes } = describeBlob(made.ciphertext)!;
    return { ...made, missingHomes: ['a', 'b', 'c'].filter((_, at) => !homes.includes(at + 1)) };
  };
  return { ...api, encrypt };
}

function homesIn(path: string): readonly number[] {
  const { header } = readMessageHeader(readFileSync(path))!;
  return describeKeys(header.encryptedDataKeys)[0]!.blob!.homes;
}

test('a message that lacks the wrap of a home gets it once that home is back', async (t) => {
  const { it, key, path, terms } = await world(t);
  const envelope = new Envelope({ keyring: clavigerKeyring(it.api, { key }) });
  it.b.fault = failing('PROVIDER_UNAVAILABLE');
  writeFileSync(path, (await envelope.encrypt(TEXT)).message);
  assert.deepEqual(homesIn(path), [1, 3]);
  it.b.fault = () => null;
  assert.equal((await rewrapFile(path, terms())).outcome, 'rewrapped');
  assert.deepEqual(homesIn(path), [1, 2, 3]);
  assert.equal((await rewrapFile(path, terms())).outcome, 'current');
  for (const other of [it.a, it.c]) other.fault = failing('PROVIDER_UNAVAILABLE');
  const { plaintext } = await new Envelope({ keyring: discoveryKeyring(it.api) }).decrypt(readFileSync(path));
  assert.deepEqual(plaintext, TEXT);
});

test('a message keeps the wraps that it has while a home is down', async (t) => {
  const { it, key, path, terms } = await world(t);
  const envelope = new Envelope({ keyring: clavigerKeyring(it.api, { key }) });
  writeFileSync(path, (await envelope.encrypt(TEXT)).message);
  it.c.fault = failing('PROVIDER_UNAVAILABLE');
  assert.equal((await rewrapFile(path, terms())).outcome, 'current');
  assert.deepEqual(homesIn(path), [1, 2, 3]);
});

test('a blob is completed in place, its text unseen', async (t) => {
  const { it, key, path, terms } = await world(t);
  it.b.fault = failing('PROVIDER_UNAVAILABLE');
  writeFileSync(path, (await it.api.encrypt({ key, plaintext: TEXT, context: { a: 'b' } })).ciphertext);
  it.b.fault = () => null;
  // The context is not needed: it is the text's.
  assert.equal((await rewrapFile(path, terms())).outcome, 'rewrapped');
  assert.deepEqual(describeBlob(readFileSync(path))!.homes, [1, 2, 3]);
  const { plaintext } = await it.api.decrypt({ ciphertext: readFileSync(path), context: { a: 'b' } });
  assert.deepEqual(Buffer.from(plaintext), TEXT);
});

test('a message that a key of another kind opens, too, is not moved without saying to which keys', async (t) => {
  const { path, terms } = await world(t);
  const keyring = rawAesKeyring({ namespace: 'shop', name: 'escrow', key: Buffer.alloc(32) });
  writeFileSync(path, (await new Envelope({ keyring }).encrypt(TEXT)).message);
  const before = readFileSync(path);
  await assert.rejects(rewrapFile(path, terms()), { message: /`shop` `.*say with --key/ });
  assert.deepEqual(readFileSync(path), before);
});

test('a file that changes while it is read stays as it was changed to', async (t) => {
  const { it, key, path, terms } = await world(t);
  const { id: next } = await it.api.createKey({ spec: 'AES-256-GCM' });
  const envelope = new Envelope({ keyring: clavigerKeyring(it.api, { key }) });
  writeFileSync(path, (await envelope.encrypt(Buffer.alloc(100_000))).message);
  const onBytes = (): void => writeFileSync(path, 'somebody else');
  await assert.rejects(rewrapFile(path, terms({ keys: [next], onBytes })), { code: 'CONFLICT' });
  assert.equal(readFileSync(path, 'utf8'), 'somebody else');
});
