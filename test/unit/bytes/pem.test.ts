import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'node:test';
import { pemBlocks, pemLabel, pemOf } from '../../../src/bytes/pem.ts';

const TEXT = pemOf('PUBLIC KEY', Buffer.alloc(100, 7));

describe('PEM', () => {
  test('bytes are written in lines of 64 characters', () => {
    assert.match(
      TEXT,
      /^-----BEGIN PUBLIC KEY-----\n(?:[A-Za-z0-9+/]{64}\n)+[A-Za-z0-9+/=]{1,64}\n-----END PUBLIC KEY-----\n$/,
    );
    assert.equal(pemLabel(Buffer.from(TEXT)), 'PUBLIC KEY');
    assert.equal(pemLabel(Buffer.of(0x30, 0x82)), null);
  });

  test('blocks are found between other text, with line ends of any system', () => {
    const windows = TEXT.replaceAll('\n', '\r\n');
    const mac = TEXT.replaceAll('\n', '\r');
    const mixed = TEXT.replaceAll('\n', ' \t\n').replace('\n', '\r\n');
    const blocks = pemBlocks(`\uFEFFBag Attributes\n${windows}subject=a\r\n${mac}\n\n${mixed}`);
    assert.deepEqual(
      blocks.map(({ text }) => text),
      [TEXT, TEXT, TEXT],
    );
  });

  test('a block without its end is none, and the next one is found', () => {
    const cut = TEXT.slice(0, 100);
    assert.deepEqual(pemBlocks(cut), []);
    assert.deepEqual(
      pemBlocks(`${cut}\n${TEXT}`).map(({ text }) => text),
      [TEXT],
    );
    assert.deepEqual(pemBlocks(TEXT.replace('END PUBLIC', 'END PRIVATE')), []);
  });

  test('both ways of encryption are seen', () => {
    const old =
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n';
    const now = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n';
    assert.deepEqual(
      pemBlocks(old + now + TEXT).map(({ isEncrypted }) => isEncrypted),
      [true, true, false],
    );
  });

  test('what is written is read again, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.string(), (bytes, before, after) => {
        const blocks = pemBlocks(`${before.replaceAll('-', '')}\n${pemOf('X', bytes)}${after.replaceAll('-', '')}`);
        assert.deepEqual(
          blocks.map(({ text }) => text),
          [pemOf('X', bytes)],
        );
      }),
    );
  });

  test('any text is read without an error', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void pemBlocks(text)));
    fc.assert(
      fc.property(fc.array(fc.constantFrom('-----BEGIN A-----', '-----END A-----', '-', '\n', '\r', 'A')), (parts) => {
        assert.ok(pemBlocks(parts.join('')).every(({ label }) => label === 'A'));
      }),
    );
  });
});
