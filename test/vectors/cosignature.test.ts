import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as verifier from '../../src/audit/verifier/note.ts';
import {
  COSIGNATURE_TYPES,
  isBy,
  LOG_KEY_TYPES,
  parseCheckpoint,
  parseNote,
  parseSignatureLines,
  parseVerifierKey,
  timestampOf,
  verifySignature,
  withSignatures,
} from '../../src/audit/signed-note.ts';

interface Vectors {
  readonly logKey: string;
  readonly checkpoint: string;
  readonly cosignatures: readonly { readonly witnessKey: string; readonly line: string }[];
}

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, 'cosignature.json'), 'utf8')) as Vectors;
const note = parseNote(vectors.checkpoint)!;

describe('C2SP tlog-cosignature: a signature made by transparency-dev/formats', () => {
  test('of the log verifies', () => {
    const key = parseVerifierKey(vectors.logKey, 'key', LOG_KEY_TYPES);
    assert.ok(verifySignature(note.text, note.signatures[0]!, key));
    assert.deepEqual(parseCheckpoint(note.text), { origin: 'claviger/vectors', size: 5, root: Buffer.alloc(32, 9) });
  });

  for (const [position, name] of ['Ed25519 (0x04)', 'ML-DSA-44 (0x06)'].entries()) {
    const { witnessKey, line } = vectors.cosignatures[position]!;
    const key = parseVerifierKey(witnessKey, 'key', COSIGNATURE_TYPES);
    const [signature] = parseSignatureLines(line)!;

    test(`of a witness with ${name} verifies, and says when it was made`, () => {
      assert.ok(isBy(signature!, key));
      assert.ok(verifySignature(note.text, signature!, key));
      assert.equal(new Date(Number(timestampOf(signature!, key)) * 1000).getUTCFullYear(), 2026);
    });

    test(`of a witness with ${name} does not verify over another size, root, origin or time`, () => {
      for (const other of [
        note.text.replace('\n5\n', '\n6\n'),
        note.text.replace('CQkJ', 'CQkK'),
        note.text.replace('vectors', 'vectorz'),
        '',
      ]) {
        assert.equal(verifySignature(other, signature!, key), false);
      }
      const later = Buffer.from(signature!.signature);
      later.writeBigUInt64BE(later.readBigUInt64BE() + 1n);
      assert.equal(verifySignature(note.text, { ...signature!, signature: later }, key), false);
    });

    test(`of a witness with ${name} verifies by the code of auditors, which is another`, () => {
      const witness = verifier.parseVerifierKey(witnessKey, 'witness');
      const cosignedAt = (text: string): number | null =>
        verifier.cosignedAt(verifier.parseNote(Buffer.from(text + line)), witness);
      assert.equal(cosignedAt(vectors.checkpoint), Number(timestampOf(signature!, key)));
      for (const other of [
        vectors.checkpoint.replace('\n5\n', '\n6\n'),
        vectors.checkpoint.replace('CQkJ', 'CQkK'),
        vectors.checkpoint.replace('vectors', 'vectorz'),
      ]) {
        assert.throws(() => cosignedAt(other), /has a cosignature of the witness `.*` that does not verify/);
      }
    });

    test(`of a witness with ${name} is found again under the checkpoint`, () => {
      const again = parseNote(withSignatures(note, [signature!]))!;
      assert.equal(again.text, note.text);
      assert.deepEqual(
        again.signatures.map((found) => verifySignature(again.text, found, key)),
        [false, true],
      );
    });
  }
});

describe('C2SP tlog-cosignature: the example of the specification', () => {
  // The specification gives no public keys with it, so its frame is what can be checked.
  const example =
    'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n' +
    '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n' +
    '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n';

  test('is read, and its cosignature is of the time that the specification says', () => {
    const { text, signatures } = parseNote(example)!;
    assert.equal(parseCheckpoint(text)!.size, 20_852_163);
    assert.deepEqual(
      signatures.map(({ name, keyId }) => [name, keyId.toString('hex')]),
      [
        ['example.com/behind-the-sofa', '033de0ae'],
        ['witness.example.com/w1', '8d66cf3f'],
      ],
    );
    const { witnessKey } = vectors.cosignatures[0]!;
    assert.equal(timestampOf(signatures[1]!, parseVerifierKey(witnessKey, 'key', COSIGNATURE_TYPES)), 1_679_315_147n);
  });
});
