import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { signCheckpoint, verifierKey } from '../../../src/audit/note.ts';
import {
  COSIGNATURE_TYPES,
  LOG_KEY_TYPES,
  parseCheckpoint,
  parseNote,
  parseSignatureLines,
  parseVerifierKey,
  verifySignature,
  withSignatures,
} from '../../../src/audit/signed-note.ts';

const signer = { origin: 'claviger/test', key: generateKeyPairSync('ed25519').privateKey };
const key = parseVerifierKey(verifierKey(signer), 'key', LOG_KEY_TYPES);
const { note } = signCheckpoint(signer, 7, Buffer.alloc(32, 1));

/** Bytes as they come, and bytes that look like what is expected. */
const anything = fc.oneof(
  fc.uint8Array().map((bytes) => Buffer.from(bytes).toString()),
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[— a-z+0-9/=\n]*$/),
  fc.tuple(fc.nat(note.length), fc.nat(note.length), fc.string()).map(([from, to, put]) => {
    return note.slice(0, from) + put + note.slice(to);
  }),
);

describe('a note', () => {
  test('that we signed is read again, and verifies', () => {
    const { text, signatures } = parseNote(note)!;
    assert.equal(text, note.slice(0, note.indexOf('\n\n') + 1));
    assert.ok(verifySignature(text, signatures[0]!, key));
    assert.equal(withSignatures({ text, signatures }, []), note);
  });

  test('is none without signatures, without its last newline, with a control character, or with a line in between', () => {
    const body = note.slice(0, note.indexOf('\n\n'));
    for (const bad of [
      '',
      '\n\n',
      body,
      `${body}\n\n`,
      note.slice(0, -1),
      `${note}\n`,
      `${note}x\n`,
      note.replace('\n\n', '\n\u0000\n\n'),
      note.replace('\n\n', '\n\ufffd\n\n'),
      note.replace('— ', '- '),
      note.replace('— ', '—  '),
      note.replace(/=\n$/, '\n'),
      note.replace(/\n$/, '\r\n'),
    ]) {
      assert.equal(parseNote(bad), null, JSON.stringify(bad));
    }
  });

  test('of any bytes is read or refused, and its text is never one that was not signed', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const parsed = parseNote(text);
        parseCheckpoint(text);
        if (parsed === null) return;
        assert.equal(withSignatures(parsed, []), text, 'nothing of it is lost');
        for (const signature of parsed.signatures) {
          if (verifySignature(parsed.text, signature, key))
            assert.equal(`${parsed.text}\n`, note.slice(0, parsed.text.length + 1));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('keeps one line of a key, the newer one', () => {
    const parsed = parseNote(note)!;
    const again = withSignatures(parsed, parsed.signatures);
    assert.equal(again, note);
  });
});

describe('signature lines', () => {
  test('of any bytes are read or refused', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const lines = parseSignatureLines(text);
        if (lines !== null) assert.equal(lines.map(({ line }) => `${line}\n`).join(''), text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the text of a checkpoint', () => {
  const root = Buffer.alloc(32).toString('base64');

  test('has origin, size and root, and may have more lines', () => {
    assert.equal(parseCheckpoint(`a\n0\n${root}\n`)!.size, 0);
    assert.equal(parseCheckpoint(`a\n12\n${root}\nextension\n`)!.size, 12);
  });

  test('is none with a size that is not the only way to write it, or a root that is no hash', () => {
    for (const bad of [
      `a\n01\n${root}\n`,
      `a\n-1\n${root}\n`,
      `a\n1e3\n${root}\n`,
      `a\n9007199254740993\n${root}\n`,
      `a\n1\n${root}`,
      `a\n1\n${root.slice(0, -1)}\n`,
      `a\n1\nAAAA\n`,
      `a b\n1\n${root}\n`,
      `\n1\n${root}\n`,
    ]) {
      assert.equal(parseCheckpoint(bad), null, bad);
    }
  });
});

describe('a verifier key', () => {
  test('is taken for what it signs only', () => {
    assert.throws(() => parseVerifierKey(verifierKey(signer), 'key', COSIGNATURE_TYPES), {
      code: 'INVALID_ARGUMENT',
      message:
        '`key` is no verifier key: its type is not one of an Ed25519 key of a witness, an ML-DSA-44 key of a witness',
    });
  });

  test('is refused with another key id, a key that was cut, other base64, or a name with a space', () => {
    // The last part may have a `+` itself.
    const [, id = '', ...rest] = verifierKey(signer).split('+');
    const encoded = rest.join('+');
    for (const [text, why] of [
      [`claviger/test+00000000+${encoded}`, /its key id is [0-9a-f]{8}, not 00000000/],
      [`claviger/other+${id}+${encoded}`, /its key id is/],
      [`claviger/test+${id}+${encoded.slice(0, 40)}`, /has 32 bytes/],
      [`claviger/test+${id}+${encoded.slice(0, -1)}*`, /its form is/],
      [`claviger/test+${id}+${encoded.slice(0, -1)}`, /not base64/],
      [`claviger test+${id}+${encoded}`, /its form is/],
      [`claviger/test+ABCDEF01+${encoded}`, /its form is/],
      ['', /its form is/],
    ] as const) {
      assert.throws(
        () => parseVerifierKey(text, 'key', LOG_KEY_TYPES),
        { code: 'INVALID_ARGUMENT', message: why },
        text,
      );
    }
  });

  test('of any bytes is read or refused', () => {
    fc.assert(
      fc.property(anything, (text) => {
        try {
          parseVerifierKey(text, 'key', [...LOG_KEY_TYPES, ...COSIGNATURE_TYPES]);
        } catch (error) {
          assert.equal((error as { code: string }).code, 'INVALID_ARGUMENT');
        }
      }),
    );
  });
});
