/** Signed notes, verifier keys, cosignatures and tile paths, with the examples of the C2SP specifications. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { openCheckpoint } from '../../../../src/audit/verifier/checkpoint.ts';
import { MalformedError, type FindingError } from '../../../../src/audit/verifier/finding.ts';
import { cosignedAt, parseNote, parseVerifierKey, verdictOf } from '../../../../src/audit/verifier/note.ts';
import { splitBundle, tilePath } from '../../../../src/audit/verifier/tiles.ts';
import { checkpointNote, cosigned, fixtureKey, treeHead } from '../../../support/log-fixture.ts';

// golang.org/x/mod/sumdb/note, example_test.go.
const NEUMANN = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const NEUMANN_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
// C2SP tlog-cosignature, the example on its first screen. The keys are not published.
const COSIGNED = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;
// C2SP signed-note: its text has an empty line of its own.
const QUASIMODO = `Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
`;

describe('a verifier key', () => {
  test('of the note library of Go is read, and its note verifies', () => {
    const key = parseVerifierKey(NEUMANN);
    assert.deepEqual([key.name, key.id], ['PeterNeumann', 'c74f20a3']);
    assert.equal(verdictOf(parseNote(Buffer.from(NEUMANN_NOTE)), key), 'signed');
  });

  test('that has another id, type, length or form is refused', () => {
    for (const [text, message] of [
      [NEUMANN.replace('c74f20a3', 'c74f20a4'), /copy it again/],
      [NEUMANN.replace('PeterNeumann', 'PaulNeumann'), /copy it again/],
      [NEUMANN.replace('+ARpc', '+AhpC'), /not the Ed25519 verifier key/],
      [NEUMANN.slice(0, -4), /not the Ed25519 verifier key/],
      [`${NEUMANN}=`, /base64/],
      [NEUMANN.replace('c74f20a3', 'C74F20A3'), /not a verifier key/],
      [`a ${NEUMANN}`, /not a verifier key/],
      ['', /not a verifier key/],
      ['+c74f20a3+AAAA', /not a verifier key/],
    ] as const) {
      assert.throws(
        () => parseVerifierKey(text),
        (error) => error instanceof MalformedError && message.test(error.message),
      );
    }
    assert.throws(() => parseVerifierKey(NEUMANN, 'witness'), MalformedError);
    assert.throws(() => parseVerifierKey(fixtureKey('w', 4).vkey), MalformedError);
  });
});

describe('a note', () => {
  test('is split at its last empty line', () => {
    const { text, signatures } = parseNote(Buffer.from(QUASIMODO));
    assert.ok(text.endsWith('ed è subito sera.\n'));
    assert.deepEqual(
      signatures.map(({ name, keyId, signature }) => [name, keyId, signature.length]),
      [['quasimodo.example/salvatore', '367ba04b', 64]],
    );
  });

  test('with any character of its text changed does not verify', () => {
    const key = parseVerifierKey(NEUMANN);
    const length = NEUMANN_NOTE.lastIndexOf('\n\n');
    fc.assert(
      fc.property(fc.nat({ max: length - 1 }), fc.integer({ min: 33, max: 126 }), (at, code) => {
        const changed = NEUMANN_NOTE.slice(0, at) + String.fromCharCode(code) + NEUMANN_NOTE.slice(at + 1);
        return changed === NEUMANN_NOTE || verdictOf(parseNote(Buffer.from(changed)), key) === 'forged';
      }),
    );
  });

  test('passes over lines of other keys, and refuses a line of its own key that does not verify', () => {
    const key = parseVerifierKey(NEUMANN);
    const { signatures } = parseNote(Buffer.from(NEUMANN_NOTE));
    const other = fixtureKey('PeterNeumann');
    const line = (text: string): string => `${NEUMANN_NOTE}${text}\n`;
    const foreign = line(`— PeterNeumann ${Buffer.concat([other.id, Buffer.alloc(64)]).toString('base64')}`);
    assert.equal(verdictOf(parseNote(Buffer.from(foreign)), key), 'signed');
    assert.equal(verdictOf(parseNote(Buffer.from(foreign)), parseVerifierKey(other.vkey)), 'forged');
    assert.equal(verdictOf(parseNote(Buffer.from(QUASIMODO)), key), 'unsigned');
    const id = Buffer.from(signatures[0]!.keyId, 'hex');
    const forged = line(`— PeterNeumann ${Buffer.concat([id, Buffer.alloc(64)]).toString('base64')}`);
    assert.equal(verdictOf(parseNote(Buffer.from(forged)), key), 'forged');
  });

  test('that is none is refused', () => {
    for (const text of [
      '',
      'no signature\n',
      'a\n\n',
      'a\n\n\n',
      NEUMANN_NOTE.slice(0, -1),
      NEUMANN_NOTE.replace('— ', '- '),
      NEUMANN_NOTE.replace('x08go', 'x08g'),
      NEUMANN_NOTE.replace('problem is', 'problem\tis'),
      NEUMANN_NOTE.replaceAll('\n', '\r\n'),
      'a\n\n— name AAAA\n',
      `a\n\n${'— name AAAAAAAA\n'.repeat(101)}`,
      `${'a'.repeat(1 << 20)}\n\n— name AAAAAAAA\n`,
    ]) {
      assert.throws(() => parseNote(Buffer.from(text)), MalformedError, text.slice(0, 80));
    }
    assert.throws(() => parseNote(Buffer.concat([Buffer.of(0xff), Buffer.from(NEUMANN_NOTE)])), MalformedError);
  });

  test('that was mangled never crashes the reader', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: COSIGNED.length }), (noise, at) => {
        const bytes = Buffer.from(COSIGNED);
        bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
        try {
          parseNote(bytes);
        } catch (error) {
          assert.ok(error instanceof MalformedError);
        }
      }),
    );
  });
});

describe('a checkpoint', () => {
  const key = fixtureKey('example.com/log');
  const vkey = parseVerifierKey(key.vkey);
  const root = treeHead([]);
  const open = (note: string) => openCheckpoint(Buffer.from(note), vkey, 'it');

  const isBadNote = (error: unknown): boolean => (error as FindingError).finding?.kind === 'bad-note';

  test('is opened by its key', () => {
    const { origin, size, root: found } = open(checkpointNote(key, 20852163, root));
    assert.deepEqual([origin, size, found], ['example.com/log', 20852163, root]);
  });

  test('whose text is not origin, size and root is refused', () => {
    const { text } = parseNote(Buffer.from(COSIGNED));
    assert.equal(text, 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n');
    for (const size of ['01', '-1', '1e3', '', '9007199254740992', '99999999999999999999']) {
      assert.throws(() => open(COSIGNED.replace('20852163', size)), isBadNote, size);
    }
    for (const wrong of [COSIGNED.replace('CsUY', 'CsU'), COSIGNED.replace(/CsUY.*\n/, ''), `\n${COSIGNED}`]) {
      assert.throws(() => open(wrong), isBadNote);
    }
  });
});

for (const type of [4, 6] as const) {
  describe(`a cosignature of type ${type}`, () => {
    const key = fixtureKey('example.com/log');
    const witness = fixtureKey('witness.example.com/w1', type);
    const vkey = parseVerifierKey(witness.vkey, 'witness');
    const note = checkpointNote(key, 3, treeHead([]));

    test('has the form of the example', () => {
      const [, line] = parseNote(Buffer.from(COSIGNED)).signatures;
      assert.deepEqual([line!.name, line!.keyId, line!.signature.length], ['witness.example.com/w1', '8d66cf3f', 72]);
      // "time 1679315147"
      assert.equal(line!.signature.readBigUInt64BE(), 1679315147n);
    });

    test('of the witness is found, the latest of them, and none where there is none', () => {
      const twice = cosigned(cosigned(note, witness, 1679315147), witness, 1679315100);
      assert.equal(cosignedAt(parseNote(Buffer.from(twice)), vkey), 1679315147);
      assert.equal(cosignedAt(parseNote(Buffer.from(note)), vkey), null);
    });

    test('does not stand in the way of the signature of the log', () => {
      assert.equal(verdictOf(parseNote(Buffer.from(cosigned(note, witness, 5))), parseVerifierKey(key.vkey)), 'signed');
    });

    test('with another time, another text or another length is refused', () => {
      const line = cosigned(note, witness, 1679315147).slice(note.length);
      const bytes = Buffer.from(line.split(' ')[2]!, 'base64');
      const retimed = Buffer.from(bytes);
      retimed[11]! ^= 1;
      const other = checkpointNote(key, 4, treeHead([]));
      for (const wrong of [
        note + line.replace(bytes.toString('base64'), retimed.toString('base64')),
        note + line.replace(bytes.toString('base64'), bytes.subarray(0, -1).toString('base64')),
        other + line,
      ]) {
        assert.throws(() => cosignedAt(parseNote(Buffer.from(wrong)), vkey), /does not verify/);
      }
    });
  });
}

describe('tlog-tiles', () => {
  test('its paths are those of the specification', () => {
    assert.equal(tilePath('tile/0', 1234067), 'tile/0/x001/x234/067');
    assert.equal(tilePath('tile/4', 1234067, 8), 'tile/4/x001/x234/067.p/8');
    assert.equal(tilePath('tile/entries', 0), 'tile/entries/000');
    assert.equal(tilePath('tile/entries', 999, 255), 'tile/entries/999.p/255');
    assert.equal(tilePath('openings', 1000), 'openings/x001/000');
  });

  test('a bundle is split at its lengths, and what is cut is told', () => {
    const bundle = Buffer.from('000261620000000163', 'hex');
    const { entries, whole } = splitBundle(bundle);
    assert.deepEqual(entries.map(String), ['ab', '', 'c']);
    assert.equal(whole, true);
    for (const cut of [1, 2]) {
      const torn = splitBundle(bundle.subarray(0, -cut));
      assert.deepEqual([torn.entries.length, torn.whole], [2, false]);
    }
  });
});
