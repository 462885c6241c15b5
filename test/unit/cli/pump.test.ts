import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, describe, test } from 'node:test';
import { pump } from '../../../src/cli/files/pump.ts';
import { fileSource } from '../../../src/cli/files/source.ts';
import { openTarget } from '../../../src/cli/files/target.ts';
import { Unfinished } from '../../../src/cli/files/unfinished.ts';
import { processTerminal } from '../../../src/cli/terminal.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { Envelope, rawAesKeyring } from '../../../src/envelope/index.ts';
import { beginMessage, openMessage, type Terms } from '../../../src/envelope/message/begin.ts';
import { Decryption, Encryption } from '../../../src/envelope/message/passage.ts';
import { removeFolder, testFolder } from '../../support/server.ts';

const MIB = 1024 * 1024;
/** Many times what is kept of it in memory, and no byte where another of its kind was. */
const BYTES = createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(21 * MIB + 12_345));

const folder = testFolder();
after(() => removeFolder(folder));
const terminal = { ...processTerminal(), say: () => undefined };
const keyring = rawAesKeyring({ namespace: 'test', name: 'pump', key: randomBytes(32) });
const terms: Terms = {
  keyring,
  commitmentPolicy: 'require-encrypt-require-decrypt',
  requiredContext: [],
  encryptedDataKeysMax: 16,
  random: systemRandom,
};
const envelope = new Envelope({ keyring });

function encryption(frameBytes: number): Encryption {
  return new Encryption((signal) => beginMessage(terms, {}, frameBytes, null, signal), null, undefined);
}

function decryption(): Decryption {
  return new Decryption((parsed, signal) => openMessage(terms, parsed, {}, signal), 16, undefined);
}

let files = 0;
function place(content?: Uint8Array): string {
  files += 1;
  const path = join(folder, String(files));
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

async function through(
  from: string,
  to: string,
  passages: readonly (Encryption | Decryption)[],
  keepBytes: number,
): Promise<void> {
  using unfinished = new Unfinished(terminal);
  await using source = fileSource(from);
  await using target = openTarget(terminal, to, { unfinished, force: false, mode: 0o600 });
  await pump(source, passages, keepBytes, target, () => undefined);
  await target.finish();
}

describe('memory that comes again holds what it is to hold, until it is encrypted', () => {
  for (const frameBytes of [4000, 65_536, MIB - 1, MIB, MIB + 1, 5 * MIB, 16 * MIB]) {
    test(`with frames of ${frameBytes} bytes`, async () => {
      const [sealed, opened] = [place(), place()];
      await through(place(BYTES), sealed, [encryption(frameBytes)], frameBytes);
      const { plaintext } = await envelope.decrypt(readFileSync(sealed));
      assert.ok(plaintext.equals(BYTES));
      await through(sealed, opened, [decryption()], MIB);
      assert.ok(readFileSync(opened).equals(BYTES));
    });
  }

  test('through two messages at once', async () => {
    const [sealed, again] = [place((await envelope.encrypt(BYTES, { frameBytes: 3 * MIB })).message), place()];
    await through(sealed, again, [decryption(), encryption(2 * MIB)], MIB);
    assert.ok((await envelope.decrypt(readFileSync(again))).plaintext.equals(BYTES));
  });

  test('where the first of it was looked at before', async () => {
    const to = place();
    using unfinished = new Unfinished(terminal);
    await using source = fileSource(place(BYTES));
    assert.ok((await source.first(3 * MIB + 1)).equals(BYTES.subarray(0, 4 * MIB)));
    await using target = openTarget(terminal, to, { unfinished, force: false, mode: 0o600 });
    await pump(source, [encryption(MIB)], MIB, target, () => undefined);
    await target.finish();
    assert.ok((await envelope.decrypt(readFileSync(to))).plaintext.equals(BYTES));
  });
});

test('what is added to a file while it is read is left out, or in, but nothing is in another place', async () => {
  const [from, to] = [place(BYTES), place()];
  using unfinished = new Unfinished(terminal);
  await using source = fileSource(from);
  await using target = openTarget(terminal, to, { unfinished, force: false, mode: 0o600 });
  const grow = (): void => appendFileSync(from, BYTES.subarray(0, 1000));
  await pump(source, [encryption(MIB)], MIB, target, grow);
  await target.finish();
  const { plaintext } = await envelope.decrypt(readFileSync(to));
  assert.ok(plaintext.length >= BYTES.length);
  assert.ok(readFileSync(from).subarray(0, plaintext.length).equals(plaintext));
});

test('a stream that nobody reads holds the source back, and gets every byte once it is read', async () => {
  const output = new PassThrough();
  const piped = { ...terminal, output: { stream: output, isTty: false } };
  using unfinished = new Unfinished(terminal);
  await using source = fileSource(place(BYTES));
  await using target = openTarget(piped, undefined, { unfinished, force: false, mode: 0o600 });
  let taken = 0;
  const pumping = pump(source, [encryption(65_536)], 65_536, target, (bytes) => (taken += bytes));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(taken < 4 * MIB, `${taken} bytes were taken`);
  const read = (async () => Buffer.concat(await Array.fromAsync(output as AsyncIterable<Buffer>)))();
  await pumping;
  await target.finish();
  output.end();
  assert.ok((await envelope.decrypt(await read)).plaintext.equals(BYTES));
});

test('an end of the pump leaves no file', async () => {
  const message = (await envelope.encrypt(BYTES)).message;
  message[message.length - 1]! ^= 1;
  const before = readdirSync(folder).length;
  await assert.rejects(through(place(message), join(folder, 'never'), [decryption()], MIB), {
    code: 'INVALID_CIPHERTEXT',
  });
  assert.equal(readdirSync(folder).length, before + 1);
});
