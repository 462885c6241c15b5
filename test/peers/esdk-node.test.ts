/**
 * Messages exchanged with the official SDK for JavaScript, in both directions: every suite, frame length, context and
 * size; and messages made by hand in the forms that it does not write.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import { Envelope } from '../../src/envelope/index.ts';
import { ALL_SUITES, suiteName } from '../support/crafted-message.ts';
import {
  crafted,
  decrypted,
  encrypted,
  officialMessage,
  officialPlaintext,
  testKeyring,
  WAYS,
} from '../support/messages.ts';

const envelope = new Envelope({ keyring: testKeyring(), commitmentPolicy: 'require-encrypt-allow-decrypt' });

const FRAME_LENGTHS = [1, 7, 16, 4096, 65_536];
const CONTEXTS: readonly Record<string, string>[] = [
  {},
  { purpose: 'test' },
  // By UTF-16, the second would come first: UTF-8 puts what is outside the basic plane behind.
  { '\u{1F511}': 'key', '\uFF5E': 'tilde', a: '', ключ: 'значение', __proto__x: '1' },
];

function sizesOf(frameLength: number): readonly number[] {
  const many = frameLength < 100 ? 10 * frameLength + 3 : 3 * frameLength + 5;
  return [...new Set([0, 1, frameLength - 1, frameLength, frameLength + 1, 2 * frameLength, many])];
}

for (const way of WAYS) {
  suite(`what is written ${way}`, () => {
    for (const frameBytes of FRAME_LENGTHS) {
      test(`in frames of ${frameBytes} bytes is read by the official SDK, with every context and of every size`, async () => {
        for (const context of CONTEXTS) {
          for (const size of sizesOf(frameBytes)) {
            const plaintext = randomBytes(size);
            const message = await encrypted(way, envelope, plaintext, { context, frameBytes }, 5000);
            const read = await officialPlaintext(message);
            assert.deepEqual(read.plaintext, plaintext, `${size} bytes`);
            assert.deepEqual(read.context, { ...context });
          }
        }
      });
    }
  });
}

for (const suiteId of ALL_SUITES) {
  suite(`a message of suite ${suiteName(suiteId)}`, () => {
    for (const frameLength of FRAME_LENGTHS) {
      test(`in frames of ${frameLength} bytes, by the official SDK, opens every way, with every context and of every size`, async () => {
        for (const context of CONTEXTS) {
          for (const size of sizesOf(frameLength)) {
            const plaintext = randomBytes(size);
            const message = await officialMessage(plaintext, { suiteId, frameLength, context });
            for (const way of WAYS) {
              const read = await decrypted(way, envelope, message, { context }, 4999);
              assert.deepEqual(read, plaintext, `${way}, ${size} bytes`);
            }
          }
        }
      });
    }

    test('made by hand, framed or not, with a final frame that is full or empty, is read alike by the official SDK and by us', async () => {
      for (const frameBytes of [null, 8]) {
        for (const size of [0, 1, 7, 8, 9, 16, 40]) {
          for (const emptyFinal of [false, true]) {
            const plaintext = randomBytes(size);
            const { message } = crafted({ suiteId, frameBytes, plaintext, context: { a: 'b' }, emptyFinal });
            assert.deepEqual((await officialPlaintext(message)).plaintext, plaintext);
            for (const way of WAYS) {
              assert.deepEqual(await decrypted(way, envelope, message, { context: { a: 'b' } }, 3), plaintext);
            }
          }
        }
      }
    });
  });
}
