import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Envelope } from '../../../../src/envelope/index.ts';
import {
  decrypted,
  encrypted,
  officialMessage,
  officialPlaintext,
  testKeyring,
  WAYS,
} from '../../../support/messages.ts';

const envelope = new Envelope({ keyring: testKeyring() });
const context = { shop: '1', cart: '42' };

for (const way of WAYS) {
  test(`a message written ${way} is read by the official SDK, and the reverse`, async () => {
    const plaintext = randomBytes(10_000);
    const message = await encrypted(way, envelope, plaintext, { context, frameBytes: 1024 });
    const read = await officialPlaintext(message);
    assert.deepEqual(read.plaintext, plaintext);
    assert.deepEqual(read.context, context);

    const theirs = await officialMessage(plaintext, { suiteId: 0x0478, frameLength: 1024, context });
    assert.deepEqual(await decrypted(way, envelope, theirs, { context }), plaintext);
    assert.deepEqual(await decrypted(way, envelope, message), plaintext);
  });
}
