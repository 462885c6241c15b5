/** Whether a log goes on from an older checkpoint, told by two checkpoints and a proof. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseVerifierKey, successionFinding, type Finding } from '../../../../src/audit/verifier/index.ts';
import { checkpointNote, consistencyPath, fixtureKey, leafHash, treeHead } from '../../../support/log-fixture.ts';

const log = fixtureKey();
const leaves = Array.from({ length: 20 }, (_, n) => leafHash(Buffer.from(`${n}`)));
const others = leaves.with(2, leafHash(Buffer.from('another')));
const base64 = (hash: Buffer): string => hash.toString('base64');

interface Case {
  readonly from: number;
  readonly to: number;
  readonly then?: readonly Buffer[];
  readonly now?: readonly Buffer[];
  readonly signer?: typeof log;
  readonly hashes?: (right: readonly string[]) => readonly string[];
}

async function found({
  from,
  to,
  then = leaves,
  now = leaves,
  signer = log,
  hashes = (right) => right,
}: Case): Promise<{
  finding: Finding | null;
  asked: number;
}> {
  let asked = 0;
  const finding = await successionFinding({
    key: parseVerifierKey(log.vkey),
    older: { name: 'the older', note: Buffer.from(checkpointNote(signer, from, treeHead(then.slice(0, from)))) },
    newer: { name: 'the newer', note: Buffer.from(checkpointNote(log, to, treeHead(now.slice(0, to)))) },
    prove: (a, b) => {
      asked += 1;
      return Promise.resolve(hashes(consistencyPath(a, now.slice(0, b)).map(base64)));
    },
  });
  return { finding, asked };
}

describe('a log', () => {
  test('goes on from every smaller one that it begins with, and a proof is asked where one is needed', async () => {
    for (let to = 1; to <= leaves.length; to++) {
      for (let from = 0; from <= to; from++) {
        const { finding, asked } = await found({ from, to });
        assert.deepEqual([finding, asked], [null, from === 0 || from === to ? 0 : 1], `${from} to ${to}`);
      }
    }
  });

  test('that is shorter does not go on from a longer one', async () => {
    const { finding, asked } = await found({ from: 9, to: 8 });
    assert.deepEqual([finding!.kind, asked], ['old-checkpoint', 0]);
    assert.equal(finding!.message, 'the newer has size 8, but the older has size 9 already');
  });

  test('of the same size with another root is a fork', async () => {
    const { finding } = await found({ from: 8, to: 8, now: others });
    assert.equal(finding!.kind, 'fork');
    assert.equal(finding!.message, 'two checkpoints of size 8 have different roots: the newer, and the older');
  });

  test('that was made anew is rewritten, whatever proof it gives', async () => {
    for (const hashes of [
      (right: readonly string[]) => right,
      () => consistencyPath(8, leaves.slice(0, 15)).map(base64),
      () => [],
      () => ['no base64'],
    ]) {
      assert.equal((await found({ from: 8, to: 15, now: others, hashes })).finding!.kind, 'rewritten');
    }
  });

  test('is not believed without its proof, nor is a checkpoint that its key did not sign', async () => {
    assert.equal((await found({ from: 7, to: 15, hashes: (right) => right.slice(1) })).finding!.kind, 'rewritten');
    assert.equal((await found({ from: 7, to: 15, signer: fixtureKey() })).finding!.kind, 'other-key');
    assert.equal((await found({ from: 7, to: 15, signer: fixtureKey('x') })).finding!.kind, 'other-origin');
  });
});
