/** Every way to tamper with a log, found and named. The records are those of test/support/log-fixture.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkpointLines,
  checkpointNote,
  entriesOf,
  fixtureFiles,
  fixtureKey,
  fixtureRecords,
  leafHash,
  putEntries,
  putTiles,
  treeHead,
  type Files,
  type FixtureRecord,
} from '../../../support/log-fixture.ts';
import { check, firstFinding, wholeLog, type TestLog } from './logs.ts';

const RECORDS = 600;
const SIZES = [100, 256, 300];

type Change = (records: FixtureRecord[]) => void;

/** The records are changed, and nothing else: somebody edits the store. */
function withRecords(change: Change): TestLog {
  const log = wholeLog({ records: RECORDS }, SIZES);
  change(log.records);
  putEntries(log.files, entriesOf(log.records), RECORDS);
  return log;
}

/** The records are changed, and the hash tiles made anew: somebody edits the store and knows the tree. */
function withTree(change: Change): TestLog {
  const log = withRecords(change);
  putTiles(log.files, entriesOf(log.records).map(leafHash), RECORDS);
  return log;
}

/** All is made anew and signed by the log's own key: the service itself lies. */
function signed(change: Change, sizes: readonly number[] = SIZES): TestLog {
  const log = wholeLog({ records: RECORDS }, SIZES);
  change(log.records);
  return { ...log, files: fixtureFiles(log.records, log.key, [...sizes, log.records.length]) };
}

const edit =
  (index: number): Change =>
  (records) => {
    records[index]!.fields['outcome'] = 'KEY_DISABLED';
  };
const remove =
  (index: number, count = 1): Change =>
  (records) =>
    records.splice(index, count);
const insert =
  (index: number): Change =>
  (records) => {
    const record = structuredClone(records[index]!);
    record.fields['requestId'] = 'inserted';
    records.splice(index, 0, record);
  };
const swap =
  (a: number, b: number): Change =>
  (records) => {
    [records[a], records[b]] = [records[b]!, records[a]!];
  };

/** Every record has the index of its place, as after an edit by somebody who knows the format. */
const renumbered =
  (change: Change): Change =>
  (records) => {
    change(records);
    for (const [index, { fields }] of records.entries()) fields['index'] = index;
  };

describe('records that were edited in the store', () => {
  test('one that was changed is found by its index', async () => {
    for (const index of [0, 99, 100, 255, 256, 299, 599]) {
      const [kind, at] = (await firstFinding(withRecords(edit(index))))!;
      assert.deepEqual([kind, at], ['record-changed', index]);
    }
  });

  test('one that was removed is found by its index, and by how many', async () => {
    for (const index of [0, 50, 255, 256, 400]) {
      assert.deepEqual(await firstFinding(withRecords(remove(index))), [
        'record-removed',
        index,
        `record ${index} was removed`,
      ]);
    }
    assert.deepEqual(await firstFinding(withRecords(remove(310, 20))), [
      'record-removed',
      310,
      'records 310 to 329 were removed',
    ]);
  });

  test('one that was removed is found where those after it were renumbered', async () => {
    // Every record after it is another now; the hash tiles say only where it began.
    const [kind, at] = (await firstFinding(withRecords(renumbered(remove(50)))))!;
    assert.deepEqual([kind, at], ['record-changed', 50]);
  });

  test('one that was taken out of its bundle is found, though the next bundle is whole', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const { files } = wholeLog({ records: RECORDS });
    putEntries(files, entriesOf(log.records.slice(0, 256)).toSpliced(255, 1));
    log.files.set('tile/entries/000', files.get('tile/entries/000.p/255')!);
    assert.deepEqual(await firstFinding(log), ['record-removed', 255, 'record 255 is missing from `tile/entries/000`']);
  });

  test('one that was inserted is found by its place', async () => {
    for (const index of [0, 50, 256, 598]) {
      assert.deepEqual(await firstFinding(withRecords(insert(index))), [
        'record-inserted',
        index,
        `a record was inserted at place ${index}`,
      ]);
    }
  });

  test('one that was put after the last is found', async () => {
    const log = wholeLog({ records: 100 });
    const bundle = log.files.get('tile/entries/000.p/100')!;
    log.files.set('tile/entries/000.p/100', Buffer.concat([bundle, Buffer.of(0, 2), Buffer.from('{}')]));
    const [kind, at] = (await firstFinding(log))!;
    assert.deepEqual([kind, at], ['record-inserted', 100]);
  });

  test('two that were swapped are found, and both are named', async () => {
    for (const [a, b] of [
      [7, 8],
      [0, 255],
      [250, 260],
      [90, 310],
    ] as const) {
      assert.deepEqual(await firstFinding(withRecords(swap(a, b))), [
        'records-swapped',
        a,
        `records ${a} and ${b} were swapped`,
      ]);
    }
  });

  test('one that was moved is found', async () => {
    const log = withRecords((records) => records.splice(30, 0, ...records.splice(20, 1)));
    assert.deepEqual(await firstFinding(log), ['records-swapped', 20, 'record 20 was moved: it stands at place 30']);
  });

  test('the tail that was cut is found where it begins', async () => {
    for (const left of [599, 512, 500, 300, 5]) {
      const log = withRecords((records) => records.splice(left));
      assert.deepEqual(await firstFinding(log), [
        'tail-cut',
        left,
        `the tail was cut: the checkpoint signs 600 records, and there are ${left}`,
      ]);
    }
  });

  test('the tail that was cut with its hash tiles is found', async () => {
    const [kind, at] = (await firstFinding(withTree((records) => records.splice(500))))!;
    assert.deepEqual([kind, at], ['tail-cut', 500]);
  });

  test('a bundle that is missing is found by its name', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    log.files.delete('tile/entries/001');
    assert.deepEqual(await firstFinding(log), ['missing-file', 256, 'there is no `tile/entries/001`']);
  });
});

describe('records that were edited with the hash tiles', () => {
  test('one that was changed is found between two checkpoints', async () => {
    const [kind, at, message] = (await firstFinding(withTree(edit(270))))!;
    assert.deepEqual([kind, at], ['root-differs', 256]);
    assert.match(message, /^records 256 to 299 are not those that were signed/);
  });

  test('one that was removed is found by its index', async () => {
    const log = withTree((records) => {
      records.splice(50, 1);
      records.push({ ...structuredClone(records[0]!) });
    });
    assert.deepEqual(await firstFinding(log), [
      'record-removed',
      50,
      'record 50 was removed: record 51 stands in place 50',
    ]);
  });

  test('one that was inserted is found by its place', async () => {
    const log = withTree((records) => {
      insert(50)(records);
      records.pop();
    });
    assert.deepEqual(await firstFinding(log), [
      'record-inserted',
      51,
      'a record was inserted: record 50 stands at place 51',
    ]);
  });

  test('two that were swapped are found, and both are named', async () => {
    const [kind, at, message] = (await firstFinding(withTree(swap(40, 60))))!;
    assert.deepEqual([kind, at, message], ['records-swapped', 40, 'records 40 and 60 were swapped']);
  });

  test('all of them renumbered are found between two checkpoints', async () => {
    for (const change of [swap(40, 60), insert(50)]) {
      const log = withTree((records) => {
        renumbered(change)(records);
        records.splice(RECORDS);
      });
      const [kind, at] = (await firstFinding(log))!;
      assert.ok(kind === 'root-differs' || kind === 'time-backwards', kind);
      assert.ok(at! < 100);
    }
  });
});

describe('the service itself lies, and signs it', () => {
  test('the clock that was set back is found by the record', async () => {
    const log = signed((records) => {
      records[80]!.fields['time'] = '2026-01-31T11:59:59.999Z';
    });
    const [kind, at, message] = (await firstFinding(log))!;
    assert.deepEqual([kind, at], ['time-backwards', 80]);
    assert.equal(
      message,
      'record 80 is of 2026-01-31T11:59:59.999Z, but the record before it is of 2026-01-31T12:00:00.790Z',
    );
  });

  test('a record that is missing is found by its index', async () => {
    const [kind, at] = (await firstFinding(signed(remove(80))))!;
    assert.deepEqual([kind, at], ['record-removed', 80]);
  });

  test('a record that is there twice is found by its place', async () => {
    const [kind, at] = (await firstFinding(signed(insert(80))))!;
    assert.deepEqual([kind, at], ['record-inserted', 81]);
  });

  test('a record of another log is found', async () => {
    const log = signed((records) => {
      records[80]!.fields['logId'] = 'another';
    });
    assert.deepEqual((await firstFinding(log))!.slice(0, 2), ['other-log', 80]);
  });

  test('a record that is not in the form of one is found', async () => {
    const log = signed((records) => {
      records[80]!.fields['comment'] = 'nobody knows this field';
    });
    assert.deepEqual(await firstFinding(log), [
      'record-malformed',
      80,
      'record 80 has a field `comment`, which version 1 does not know',
    ]);
  });

  test('the tree rebuilt from a changed record is found by an older checkpoint', async () => {
    const before = wholeLog({ records: 400 });
    const records = fixtureRecords({ records: RECORDS });
    edit(80)(records);
    const note = before.files.get('checkpoint')!;
    const since = [{ name: '`old.txt`', note }];
    const rebuilt = { key: before.key, files: fixtureFiles(records, before.key, [RECORDS]) };
    assert.equal(await firstFinding(rebuilt), null);
    assert.deepEqual(await firstFinding(rebuilt, { since }), [
      'rewritten',
      null,
      'the log was rewritten: its first 400 records are not those of `old.txt`',
    ]);
    // The service has signed both, and both are there.
    const listed = { key: before.key, files: fixtureFiles(records, before.key, [400, RECORDS]) };
    assert.equal((await firstFinding(listed, { since }))![0], 'fork');
  });

  test('the log rewritten and signed beside the hash tiles of before is found by an older checkpoint', async () => {
    const before = wholeLog({ records: 400 });
    const log = wholeLog({ records: RECORDS });
    edit(80)(log.records);
    const files = fixtureFiles(log.records, before.key, [RECORDS]);
    putTiles(files, entriesOf(fixtureRecords({ records: RECORDS })).map(leafHash));
    const since = [{ name: '`old.txt`', note: before.files.get('checkpoint')! }];
    assert.equal((await firstFinding({ key: before.key, files }))![0], 'tile-changed');
    assert.equal((await firstFinding({ key: before.key, files }, { since }))![0], 'rewritten');
  });

  test('a fork is found: two checkpoints of one size in the list', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const other = signed(edit(80));
    const heads = [log, other].map(({ records }) => treeHead(entriesOf(records.slice(0, 300)).map(leafHash)));
    const notes = heads.map((root) => checkpointNote(log.key, 300, root));
    notes.push(log.files.get('checkpoint')!.toString());
    log.files.set('checkpoints', checkpointLines([300, 300, RECORDS], notes));
    assert.deepEqual((await firstFinding(log))!.slice(0, 3), [
      'fork',
      null,
      'two checkpoints of size 300 have different roots, in the list',
    ]);
  });

  test('a fork is found: the newest checkpoint is another than the one in the list', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const forged = checkpointNote(log.key, RECORDS, treeHead([leafHash(Buffer.from('other'))]));
    log.files.set('checkpoint', Buffer.from(forged));
    assert.equal((await firstFinding(log))![0], 'fork');
  });

  test('a fork is found: the newest checkpoint is another than the one that was seen', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const note = Buffer.from(checkpointNote(log.key, RECORDS, treeHead([leafHash(Buffer.from('other'))])));
    const [kind, , message] = (await firstFinding(log, { since: [{ name: '`old.txt`', note }] }))!;
    assert.equal(kind, 'fork');
    assert.equal(message, 'two checkpoints of size 600 have different roots: the newest one, and `old.txt`');
  });
});

describe('checkpoints', () => {
  test('of a tree that was rebuilt with another key are refused', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const other = fixtureKey(log.key.name);
    const rebuilt = { key: log.key, files: fixtureFiles(log.records, other, [...SIZES, RECORDS]) };
    const [kind, , message] = (await firstFinding(rebuilt))!;
    assert.equal(kind, 'other-key');
    assert.ok(message.includes(other.id.toString('hex')), message);
  });

  test('of another origin are refused', async () => {
    const log = wholeLog({ records: 20 });
    const root = treeHead(entriesOf(log.records).map(leafHash));
    log.files.set('checkpoint', Buffer.from(checkpointNote(log.key, 20, root, 'claviger/another')));
    const [kind, , message] = (await firstFinding(log))!;
    assert.equal(kind, 'other-origin');
    assert.match(message, /^the checkpoint is one of the log `claviger\/another`/);
  });

  test('with a changed signature are refused, the newest and each of the list', async () => {
    const newest = wholeLog({ records: RECORDS }, SIZES);
    newest.files.set('checkpoint', flipped(newest.files.get('checkpoint')!));
    assert.deepEqual(await firstFinding(newest), [
      'bad-signature',
      null,
      'the signature of the checkpoint, which has size 600, does not verify',
    ]);
    const listed = wholeLog({ records: RECORDS }, SIZES);
    const lines = listed.files.get('checkpoints')!.toString().split('\n');
    const { size, note } = JSON.parse(lines[1]!) as { size: number; note: string };
    lines[1] = JSON.stringify({ size, note: flipped(Buffer.from(note)).toString() });
    listed.files.set('checkpoints', Buffer.from(lines.join('\n')));
    assert.deepEqual(await firstFinding(listed), [
      'bad-signature',
      null,
      'the signature of checkpoint 2 of the list, which has size 256, does not verify',
    ]);
  });

  test('with a root or a size that was changed are refused', async () => {
    const log = wholeLog({ records: 20 });
    const note = log.files.get('checkpoint')!.toString();
    for (const changed of [
      note.replace('\n20\n', '\n19\n'),
      note.replace(/\n(.)(.{42}=)\n/, (_, a, b) => `\n${a === 'A' ? 'B' : 'A'}${b}\n`),
    ]) {
      assert.notEqual(changed, note);
      log.files.set('checkpoint', Buffer.from(changed));
      assert.equal((await firstFinding(log))![0], 'bad-signature');
    }
  });

  test('an old one is found, where the list or an older look has a newer one', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const note = log.files.get('checkpoint')!;
    const then = fixtureFiles(log.records.slice(0, 300), log.key, SIZES);
    log.files.set('checkpoint', then.get('checkpoint')!);
    assert.deepEqual(await firstFinding(log), [
      'old-checkpoint',
      300,
      '`checkpoint` has size 300, but the list has one of size 600',
    ]);
    const whole = { key: log.key, files: then };
    assert.equal(await firstFinding(whole), null);
    assert.deepEqual(await firstFinding(whole, { since: [{ name: '`old.txt`', note }] }), [
      'old-checkpoint',
      300,
      'this copy has size 300, but `old.txt` has size 600 already',
    ]);
  });

  test('out of order, missing from the list, or without a list are found', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const lines = log.files.get('checkpoints')!.toString().trim().split('\n');
    const withLines = async (some: readonly string[]): Promise<unknown> => {
      log.files.set('checkpoints', Buffer.from(`${some.join('\n')}\n`));
      return (await firstFinding(log))![0];
    };
    assert.equal(await withLines([lines[1]!, lines[0]!, ...lines.slice(2)]), 'checkpoint-order');
    assert.equal(await withLines(lines.slice(0, -1)), 'checkpoint-unlisted');
    assert.equal(await withLines(['{}', ...lines]), 'bad-note');
    assert.equal(await withLines([lines[0]!.replace('"size":100', '"size":101'), ...lines.slice(1)]), 'bad-note');
    log.files.delete('checkpoints');
    assert.equal((await firstFinding(log))![0], 'missing-file');
    log.files.delete('checkpoint');
    assert.equal((await firstFinding(log))![0], 'missing-file');
  });

  test('that were seen before have to be signed as well', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    const note = flipped(log.files.get('checkpoint')!);
    const [kind, , message] = (await firstFinding(log, { since: [{ name: '`old.txt`', note }] }))!;
    assert.equal(kind, 'bad-signature');
    assert.match(message, /the signature of `old\.txt`/);
  });
});

describe('hash tiles', () => {
  test('that were changed are told by their name, and the records are said to be whole', async () => {
    for (const [path, index] of [
      ['tile/0/000', 3],
      ['tile/0/002.p/88', 512 + 3],
      ['tile/1/000.p/2', null],
    ] as const) {
      const log = wholeLog({ records: RECORDS }, SIZES);
      changeByte(log.files, path, 3 * 32 < log.files.get(path)!.length ? 3 * 32 : 0);
      const { findings } = await check(log);
      assert.deepEqual([findings[0]!.kind, findings[0]!.index], ['tile-changed', index]);
      assert.ok(findings[0]!.message.includes(path.replace('002.p/88', '002')), findings[0]!.message);
      assert.match(findings[0]!.next, /the records themselves are whole/);
    }
  });

  test('that are full at level 1 are held against the records', async () => {
    const log = wholeLog({ records: 65_536 + 3, small: true });
    changeByte(log.files, 'tile/1/000', 77);
    assert.deepEqual((await firstFinding(log))!.slice(0, 3), [
      'tile-changed',
      null,
      '`tile/1/000` is not what the records make',
    ]);
  });

  test('that are missing or cut are told by their name', async () => {
    for (const path of ['tile/0/001', 'tile/1/000.p/2']) {
      const log = wholeLog({ records: RECORDS }, SIZES);
      log.files.delete(path);
      const [kind, , message] = (await firstFinding(log))!;
      assert.deepEqual([kind, message], ['missing-file', `there is no \`${path}\``]);
    }
  });

  test('that are too short or too long are told by their name', async () => {
    for (const path of ['tile/0/000', 'tile/0/002.p/88', 'tile/1/000.p/2']) {
      for (const change of [
        (bytes: Buffer) => bytes.subarray(0, -32),
        (bytes: Buffer) => Buffer.concat([bytes, bytes]),
      ]) {
        const log = wholeLog({ records: RECORDS }, SIZES);
        log.files.set(path, change(log.files.get(path)!));
        const [kind, , message] = (await firstFinding(log))!;
        assert.deepEqual([kind, message.startsWith(`\`${path}\` `)], ['tile-changed', true], message);
      }
    }
  });

  test('that lack a byte are told by their length in bytes', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    log.files.set('tile/0/000', log.files.get('tile/0/000')!.subarray(0, -1));
    assert.deepEqual(await firstFinding(log), ['tile-changed', 255, '`tile/0/000` has 8191 bytes in place of 8192']);
  });

  test('that are whole may stand in for a part of them', async () => {
    const whole = wholeLog({ records: 512 });
    const part = wholeLog({ records: 400 });
    for (const path of ['tile/0/001', 'tile/entries/001', 'openings/001']) {
      part.files.delete(`${path}.p/144`);
      part.files.set(path, whole.files.get(path)!);
    }
    assert.equal(await firstFinding(part), null);
  });
});

describe('openings', () => {
  const [SINGLE, BATCH] = [8, 10];

  function withOpenings(change: (lines: { openings: any; items?: any }[]) => void): TestLog {
    const log = wholeLog({ records: 20 });
    const path = 'openings/000.p/20';
    const lines = log.files
      .get(path)!
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    change(lines);
    log.files.set(path, Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
    return log;
  }

  test('that were changed are found by record and field', async () => {
    for (const [field, value] of [
      ['principal', 'somebody-else'],
      ['source', '127.0.0.2'],
      ['digest', 'AAAA'],
      ['context', '{"shop":"9","cart":"42","ß":"ü"}'],
    ] as const) {
      const log = withOpenings((lines) => (lines[SINGLE]!.openings[field][1] = value));
      assert.deepEqual(await firstFinding(log), [
        'opening-changed',
        SINGLE,
        `the \`${field}\` that is told of record ${SINGLE} is not what the record commits to`,
      ]);
    }
  });

  test('open a context whatever the order of its pairs', async () => {
    const log = withOpenings((lines) => {
      lines[SINGLE]!.openings.context[1] = `{"ß":"ü","shop":"${SINGLE}","cart":"42"}`;
    });
    assert.equal(await firstFinding(log), null);
  });

  test('of what the record does not commit to are found', async () => {
    const log = withOpenings((lines) => (lines[SINGLE]!.openings['resource'] = ['AAAA', 'alias/x']));
    assert.deepEqual((await firstFinding(log))!.slice(0, 2), ['opening-changed', SINGLE]);
  });

  test('with another salt, or none, are found', async () => {
    for (const salt of ['AAAAAAAAAAAAAAAAAAAAAA==', '', null]) {
      const log = withOpenings((lines) => (lines[SINGLE]!.openings['source'][0] = salt));
      assert.deepEqual((await firstFinding(log))!.slice(0, 2), ['opening-changed', SINGLE]);
    }
  });

  test('that are missing without a redaction are found', async () => {
    const one = withOpenings((lines) => delete lines[SINGLE]!.openings['source']);
    assert.deepEqual(await firstFinding(one), [
      'opening-missing',
      SINGLE,
      `there is no opening of \`source\` of record ${SINGLE}, and no redaction record accounts for it`,
    ]);
    const items = withOpenings((lines) => delete lines[BATCH]!.items);
    assert.deepEqual((await firstFinding(items))!.slice(0, 2), ['opening-missing', BATCH]);
  });

  test('of which a whole file is missing are one finding, that names the file', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    log.files.delete('openings/001');
    const { findings } = await check(log, { findingsMax: 100 });
    assert.deepEqual(
      findings.map(({ kind, index, message }) => [kind, index, message]),
      [['missing-file', 256, 'there is no `openings/001`']],
    );
    const empty = wholeLog({ records: 20 });
    empty.files.set('openings/000.p/20', Buffer.alloc(0));
    assert.deepEqual((await firstFinding(empty))!.slice(0, 2), ['opening-missing', 0]);
  });

  test('that were redacted are accounted for by the redaction record', async () => {
    const log = wholeLog({ records: 600, redaction: { at: 500, from: 10, to: 300 } }, SIZES);
    const { findings, log: summary, warnings } = await check(log);
    assert.deepEqual(findings, []);
    assert.deepEqual(warnings, []);
    // Five of them are counts of strangers, which commit to nothing.
    assert.equal(summary!.redacted, 290 - 5);
    assert.equal(summary!.opened, 600 - 285);
  });

  test('that go beyond what was redacted are found', async () => {
    const log = wholeLog({ records: 600, redaction: { at: 500, from: 10, to: 300 } }, SIZES);
    log.records[300]!.openings = {};
    const { files } = { files: fixtureFiles(log.records, log.key, [600]) };
    assert.deepEqual((await firstFinding({ key: log.key, files }))!.slice(0, 2), ['opening-missing', 300]);
  });

  test('that are still there though a redaction record names them give a warning', async () => {
    const log = wholeLog({ records: 100, redaction: { at: 50, from: 10, to: 20 } });
    log.records[12]!.openings = fixtureRecords({ records: 100 })[12]!.openings;
    const { findings, warnings } = await check({ key: log.key, files: fixtureFiles(log.records, log.key) });
    assert.deepEqual(findings, []);
    assert.deepEqual(warnings, ['1 records are still open, though a redaction record names them']);
  });

  test('that are not in their form are found', async () => {
    for (const line of [
      'no JSON',
      '{}',
      '{"index":9,"openings":{}}',
      '{"index":8,"openings":[]}',
      '{"index":8,"openings":{},"x":1}',
      '{"index":8,"openings":{},"items":{}}',
    ]) {
      const log = wholeLog({ records: 20 });
      const path = 'openings/000.p/20';
      const lines = log.files.get(path)!.toString().split('\n');
      lines[SINGLE] = line;
      log.files.set(path, Buffer.from(lines.join('\n')));
      assert.deepEqual((await firstFinding(log))!.slice(0, 2), ['opening-malformed', SINGLE], line);
    }
  });

  test('items of a batch that were changed, removed, added or swapped are found', async () => {
    const changes: ((items: any[]) => void)[] = [
      (items) => (items[0][1] = items[0][1].replace('"OK"', '"INTERNAL"')),
      (items) => (items[0][0] = items[1][0]),
      (items) => items.pop(),
      (items) => items.push(items[0]),
      (items) => items.reverse(),
      (items) => (items[1] = 'none'),
      (items) => (items[1][1] = 'no JSON'),
    ];
    for (const change of changes) {
      const log = withOpenings((lines) => change(lines[17]!.items));
      assert.deepEqual((await firstFinding(log))!.slice(0, 2), ['items-changed', 17], change.toString());
    }
    const stray = withOpenings((lines) => (lines[SINGLE]!.items = []));
    assert.deepEqual((await firstFinding(stray))!.slice(0, 2), ['items-changed', SINGLE]);
  });
});

describe('all findings', () => {
  test('are told in the order of the log where they are asked for', async () => {
    const log = wholeLog({ records: RECORDS }, SIZES);
    log.records[20]!.fields['outcome'] = 'INTERNAL';
    log.records[90]!.fields['outcome'] = 'INTERNAL';
    swap(301, 303)(log.records);
    putEntries(log.files, entriesOf(log.records), RECORDS);
    changeByte(log.files, 'tile/1/000.p/2', 0);
    const { findings } = await check(log, { findingsMax: 100 });
    assert.deepEqual(
      findings.map(({ kind, index }) => [kind, index]),
      [
        ['record-changed', 20],
        ['record-changed', 90],
        ['records-swapped', 301],
        ['tile-changed', null],
      ],
    );
    assert.equal((await check(log)).findings.length, 1);
  });

  test('are a hundred at most', async () => {
    const log = withRecords((records) => records.forEach(({ fields }) => (fields['latencyUs'] = 7)));
    const { findings, warnings } = await check(log, { findingsMax: 100 });
    assert.equal(findings.length, 100);
    assert.deepEqual(warnings, ['there may be more than 100 findings']);
  });
});

/** With one bit of the signature changed. */
function flipped(note: Buffer): Buffer {
  const text = note.toString();
  const at = text.lastIndexOf(' ') + 20;
  return Buffer.from(text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1));
}

function changeByte(files: Files, path: string, at: number): void {
  const bytes = Buffer.from(files.get(path)!);
  bytes[at]! ^= 1;
  files.set(path, bytes);
}
