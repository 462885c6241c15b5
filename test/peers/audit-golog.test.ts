/**
 * Two verifiers that share no code agree: ours, and one in Go on transparency-dev/merkle and golang.org/x/mod/sumdb.
 * Over logs that are whole, logs that were tampered with in every way, single proofs and receipts.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { folderSource, parseVerifierKey, verifyLog, verifyReceipt } from '../../src/audit/verifier/index.ts';
import { provesConsistency, provesInclusion } from '../../src/audit/verifier/merkle.ts';
import { askVerifier, requirePeer, type LogQuestion, type VerifierAnswer } from '../../tools/peers/require.ts';
import {
  checkpointNote,
  consistencyPath,
  entriesOf,
  fixtureFiles,
  fixtureKey,
  fixtureReceipt,
  fixtureRecords,
  inclusionPath,
  leafHash,
  putEntries,
  putTiles,
  treeHead,
  writeFiles,
  type Files,
  type FixtureReceipt,
  type FixtureRecord,
} from '../support/log-fixture.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const SIZE = 300;
const SIZES = [100, 256, SIZE];
const key = fixtureKey();
const records = fixtureRecords({ records: SIZE, redaction: { at: 290, from: 0, to: 50 } });
const whole = fixtureFiles(records, key, SIZES);

let folder: string;
before(() => {
  folder = testFolder();
});
after(() => removeFolder(folder));

type Tampering = (files: Files) => void;

const edited =
  (change: (records: FixtureRecord[]) => void, also: Tampering = () => undefined): Tampering =>
  (files) => {
    const copy = structuredClone(records);
    change(copy);
    putEntries(files, entriesOf(copy), SIZE);
    also(files);
  };
const resigned =
  (change: (records: FixtureRecord[]) => void, sizes: readonly number[] = SIZES): Tampering =>
  (files) => {
    const copy = structuredClone(records);
    change(copy);
    files.clear();
    for (const [path, bytes] of fixtureFiles(copy, key, sizes)) files.set(path, bytes);
  };
const opened =
  (change: (line: { openings: any; items?: any }) => void, index: number): Tampering =>
  (files) => {
    const path = index < 256 ? 'openings/000' : `openings/001.p/${SIZE - 256}`;
    const lines = files.get(path)!.toString().trim().split('\n');
    const line = JSON.parse(lines[index % 256]!);
    change(line);
    lines[index % 256] = JSON.stringify(line);
    files.set(path, Buffer.from(`${lines.join('\n')}\n`));
  };
const flipped =
  (path: string, at: number): Tampering =>
  (files) => {
    const bytes = Buffer.from(files.get(path)!);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    files.set(path, bytes);
  };
const lost =
  (path: string): Tampering =>
  (files) =>
    assert.ok(files.delete(path));

const WHOLE: Readonly<Record<string, Tampering>> = {
  'as it was signed': () => undefined,
  'with one checkpoint': resigned(() => undefined, [SIZE]),
  'of one record': resigned((all) => all.splice(0, SIZE, ...fixtureRecords({ records: 1 })), [1]),
  'of a full tile': resigned((all) => all.splice(0, SIZE, ...fixtureRecords({ records: 256 })), [256]),
  'without records': resigned((all) => all.splice(0), [0]),
};

const TAMPERED: Readonly<Record<string, Tampering>> = {
  'a record changed': edited((all) => (all[120]!.fields['outcome'] = 'INTERNAL')),
  'a record removed': edited((all) => all.splice(120, 1)),
  'a record inserted': edited((all) => all.splice(120, 0, all[7]!)),
  'two records swapped': edited((all) => all.splice(120, 2, all[121]!, all[120]!)),
  'the tail cut': edited((all) => all.splice(290)),
  'a record changed, and the tiles with it': edited(
    (all) => (all[120]!.fields['outcome'] = 'INTERNAL'),
    (files) => {
      const copy = structuredClone(records);
      copy[120]!.fields['outcome'] = 'INTERNAL';
      putTiles(files, entriesOf(copy).map(leafHash), SIZE);
    },
  ),
  'a bundle cut': (files) => files.set('tile/entries/000', files.get('tile/entries/000')!.subarray(0, -1)),
  'a bundle missing': lost('tile/entries/000'),
  'bytes after a bundle': (files) => {
    files.set('tile/entries/000', Buffer.concat([files.get('tile/entries/000')!, Buffer.of(0)]));
  },
  'the clock set back, and signed': resigned((all) => (all[80]!.fields['time'] = '2026-01-31T11:00:00.000Z')),
  'a record missing, and signed': resigned((all) => all.splice(80, 1), [100, 256, SIZE - 1]),
  'a record of another log, and signed': resigned((all) => (all[80]!.fields['logId'] = 'another')),
  'the tree rebuilt with another key': (files) => {
    for (const [path, bytes] of fixtureFiles(records, fixtureKey(key.name), SIZES)) files.set(path, bytes);
  },
  'a fork': (files) => {
    files.set('checkpoint', Buffer.from(checkpointNote(key, SIZE, treeHead([leafHash(Buffer.from('other'))]))));
  },
  'an old checkpoint': (files) => {
    for (const [path, bytes] of fixtureFiles(records.slice(0, 256), key, SIZES.slice(0, 2))) files.set(path, bytes);
    files.set('checkpoints', whole.get('checkpoints')!);
  },
  'checkpoints out of order': (files) => {
    const [first, second, ...others] = files.get('checkpoints')!.toString().split('\n');
    files.set('checkpoints', Buffer.from([second, first, ...others].join('\n')));
  },
  'the newest checkpoint not in the list': (files) => {
    const lines = files.get('checkpoints')!.toString().split('\n');
    files.set('checkpoints', Buffer.from(`${lines.slice(0, 2).join('\n')}\n`));
  },
  'another origin': (files) => {
    const root = treeHead(entriesOf(records).map(leafHash));
    files.set('checkpoint', Buffer.from(checkpointNote(key, SIZE, root, 'claviger/another')));
  },
  'a signature changed': (files) => {
    const note = files.get('checkpoint')!.toString();
    files.set('checkpoint', Buffer.from(note.replace(/.(?=[^\n]{9}\n$)/, (letter) => (letter === 'A' ? 'B' : 'A'))));
  },
  'a leaf tile changed': flipped('tile/0/000', 500),
  'a partial tile changed': flipped(`tile/0/001.p/${SIZE - 256}`, 5),
  'a tile of level 1 changed': flipped('tile/1/000.p/1', 0),
  'a tile missing': lost('tile/1/000.p/1'),
  'an opening changed': opened(({ openings }) => (openings.source[1] = '127.0.0.2'), 120),
  'a context changed': opened(({ openings }) => (openings.context[1] = '{"shop":"1"}'), 120),
  'a salt changed': opened(({ openings }) => (openings.source[0] = 'AAAAAAAAAAAAAAAAAAAAAA=='), 120),
  'an opening without a commitment': opened(({ openings }) => (openings.resource = openings.source), 120),
  'an opening missing': opened(({ openings }) => delete openings.source, 120),
  'an opening missing after the redaction': opened((line) => (line.openings = {}), 291),
  'items changed': opened(({ items }) => (items[0][1] = items[0][1].replace('OK', 'INTERNAL')), 129),
  'items swapped': opened(({ items }) => items.reverse(), 129),
  'items missing': opened((line) => delete line.items, 129),
  'openings of another record': opened((line) => Object.assign(line, { index: 121 }), 120),
  'openings missing': lost('openings/000'),
};

describe('a whole log', () => {
  const entriesOfLog = Object.entries({ ...WHOLE, ...TAMPERED });

  test('is judged alike by both, good or tampered with', async (t) => {
    const golog = await gologOf(t);
    if (golog === null) return;
    for (const [at, [, tamper]] of entriesOfLog.entries()) {
      const files = new Map(whole);
      tamper(files);
      writeFiles(join(folder, String(at)), files);
    }
    const theirs = await golog(
      entriesOfLog.map((_, at) => ({ op: 'log', key: key.vkey, folder: join(folder, String(at)) })),
    );
    for (const [at, [name]] of entriesOfLog.entries()) {
      const { findings } = await verifyLog(folderSource(join(folder, String(at))), { key: parseVerifierKey(key.vkey) });
      const said = `${name}: ours ${findings[0]?.message ?? 'whole'}; theirs ${theirs[at]!.finding ?? 'whole'}`;
      assert.equal(theirs[at]!.valid, name in WHOLE, said);
      assert.equal(findings.length === 0, name in WHOLE, said);
    }
  });
});

describe('a receipt', () => {
  const good = (index: number): FixtureReceipt => fixtureReceipt(records, key, index);
  const wrong: readonly ((receipt: FixtureReceipt) => void)[] = [
    (receipt) => (receipt.entry = receipt.entry.replace('"OK"', '"INTERNAL"')),
    (receipt) => (receipt.index += 1),
    (receipt) => (receipt.size -= 1),
    (receipt) => receipt.hashes.pop(),
    (receipt) => receipt.hashes.reverse(),
    (receipt) => (receipt.leafHash = receipt.hashes[0]!),
    (receipt) => (receipt.logId = 'another'),
    (receipt) => (receipt.checkpoint = fixtureReceipt(records, fixtureKey(), 120).checkpoint),
    (receipt) => (receipt.openings['source'][1] = '127.0.0.2'),
    (receipt) => (receipt.items = [['AAAAAAAAAAAAAAAAAAAAAA==', '{"position":0,"outcome":"OK"}']]),
  ];

  test('is judged alike by both, good or changed', async (t) => {
    const golog = await gologOf(t);
    if (golog === null) return;
    const receipts = [
      ...[0, 7, 129, 255, 256, 290, 299].map(good),
      ...wrong.map((change) => {
        const receipt = structuredClone(good(120));
        change(receipt);
        return receipt;
      }),
    ];
    const theirs = await golog(receipts.map((receipt) => ({ op: 'receipt', key: key.vkey, receipt })));
    for (const [at, receipt] of receipts.entries()) {
      const { findings } = verifyReceipt(JSON.stringify(receipt), { key: parseVerifierKey(key.vkey) });
      const said = `${at}: ours ${findings[0]?.message ?? 'good'}; theirs ${theirs[at]!.finding ?? 'good'}`;
      assert.equal(theirs[at]!.valid, at < 7, said);
      assert.equal(findings.length === 0, at < 7, said);
    }
  });
});

describe('a proof', () => {
  const SIZE_MAX = 17;
  const leaves = Array.from({ length: SIZE_MAX }, (_, index) => leafHash(Buffer.of(index)));
  const rootOf = (size: number): Buffer => treeHead(leaves.slice(0, size));
  const base64 = (bytes: Buffer): string => bytes.toString('base64');
  // Each proof as it is, with its last hash gone, with one more, and with its first hash changed.
  const spoilt = (hashes: readonly Buffer[]): readonly (readonly Buffer[])[] => [
    hashes,
    hashes.slice(0, -1),
    [...hashes, leaves[0]!],
    hashes.map((hash, at) => (at === 0 ? leaves[16]! : hash)),
  ];

  test('of inclusion is judged alike by both, for every place in every tree up to 17 records', async (t) => {
    const golog = await gologOf(t);
    if (golog === null) return;
    const proofs = [];
    for (let size = 1; size <= SIZE_MAX; size++) {
      for (let index = 0; index < size; index++) {
        for (const hashes of spoilt(inclusionPath(index, leaves.slice(0, size)))) {
          proofs.push({ index, size, leaf: leaves[index]!, root: rootOf(size), hashes });
        }
      }
    }
    const theirs = await golog(
      proofs.map(({ index, size, leaf, root, hashes }) => ({
        op: 'inclusion',
        index,
        size,
        leafHash: base64(leaf),
        root: base64(root),
        hashes: hashes.map(base64),
      })),
    );
    assert.deepEqual(
      theirs.map(({ valid }) => valid),
      proofs.map((proof) => provesInclusion(proof)),
    );
  });

  test('of consistency is judged alike by both, between all trees of 1 to 17 records', async (t) => {
    const golog = await gologOf(t);
    if (golog === null) return;
    const proofs = [];
    for (let to = 1; to <= SIZE_MAX; to++) {
      for (let from = 1; from <= to; from++) {
        for (const hashes of spoilt(consistencyPath(from, leaves.slice(0, to)))) {
          proofs.push({ from, to, fromRoot: rootOf(from), toRoot: rootOf(to), hashes });
        }
      }
    }
    const theirs = await golog(
      proofs.map(({ from, to, fromRoot, toRoot, hashes }) => ({
        op: 'consistency',
        from,
        to,
        fromRoot: base64(fromRoot),
        toRoot: base64(toRoot),
        hashes: hashes.map(base64),
      })),
    );
    assert.deepEqual(
      theirs.map(({ valid }) => valid),
      proofs.map((proof) => provesConsistency(proof)),
    );
    assert.ok(theirs.some(({ valid }) => valid === true) && theirs.some(({ valid }) => valid === false));
  });
});

async function gologOf(
  t: TestContext,
): Promise<((questions: readonly LogQuestion[]) => Promise<readonly VerifierAnswer[]>) | null> {
  const peer = await requirePeer(t, 'golog');
  if (peer === null) return null;
  return async (questions) => {
    const answers = await askVerifier(peer.verifier, questions);
    assert.deepEqual(
      answers.filter(({ error }) => error !== undefined),
      [],
    );
    return answers;
  };
}
