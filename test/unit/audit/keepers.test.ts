import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, suite, test } from 'node:test';
import { FollowedRecord } from '../../../src/audit/follow.ts';
import { CheckpointKeepers, RewrittenError, type CheckpointKeeper } from '../../../src/audit/keepers.ts';
import { COSIGNATURE_TYPES, parseSignatureLines, parseVerifierKey } from '../../../src/audit/signed-note.ts';
import type { NoteSignature, VerifierKey } from '../../../src/audit/signed-note.ts';
import { newCosigner, type Cosigner } from '../../support/cosigner.ts';
import { openKeptLog, type KeptLog } from '../../support/kept-log.ts';
import { removeFolder, testFolder } from '../../support/server.ts';
import { FakeTime } from '../../support/time.ts';

/** A keeper that does what the test says, and remembers what it was given. */
class TestKeeper implements CheckpointKeeper {
  readonly name: string;
  readonly kind = 'witness';
  readonly everyMs: number;
  readonly given: [size: number, confirmed: number][] = [];
  readonly cosigner: Cosigner;
  readonly key: VerifierKey;
  answer: (note: string, signal: AbortSignal) => Promise<string>;

  constructor(name: string, everyMs = 5000) {
    this.name = name;
    this.everyMs = everyMs;
    this.cosigner = newCosigner(`witness.example/${name}`);
    this.key = parseVerifierKey(this.cosigner.key, name, COSIGNATURE_TYPES);
    this.answer = async (note) => this.cosigner.sign(note, 1);
  }

  async give(
    { size, note }: { size: number; note: string },
    confirmed: number,
    signal: AbortSignal,
  ): Promise<readonly NoteSignature[]> {
    this.given.push([size, confirmed]);
    return parseSignatureLines(await this.answer(note, signal))!;
  }
}

let folder: string;
let kept: KeptLog;
let time: FakeTime;
let told: string[];
let opened: CheckpointKeepers[];

suite('keepers of checkpoints', () => {
  beforeEach(async () => {
    folder = testFolder();
    kept = await openKeptLog({ folder });
    time = new FakeTime();
    told = [];
    opened = [];
  });
  afterEach(async () => {
    const finished = Promise.all(opened.map((keepers) => keepers.finish()));
    await time.pass(10_000);
    await finished;
    await kept.close();
    removeFolder(folder);
  });

  describe('a round', () => {
    test('gives every keeper the newest checkpoint, and no other until the next', async () => {
      const [a, b] = [new TestKeeper('a'), new TestKeeper('b')];
      const first = await kept.grow(1);
      await open([a, b]);
      await passed(4900);
      const second = await kept.grow(1);
      await kept.grow(0);
      assert.deepEqual([a.given, b.given], [[[first.size, 0]], [[first.size, 0]]]);
      await passed(100);
      assert.deepEqual(a.given, [
        [first.size, 0],
        [second.size, first.size],
      ]);
      assert.deepEqual(b.given, a.given);
    });

    test('asks nobody where nothing is new', async () => {
      const keeper = new TestKeeper('a');
      await kept.grow(1);
      await open([keeper]);
      await passed(60_000);
      assert.equal(keeper.given.length, 1);
    });

    test('leaves out who wants checkpoints less often, and who is not done yet', async () => {
      const [seldom, slow, quick] = [new TestKeeper('a', 15_000), new TestKeeper('b'), new TestKeeper('c')];
      const slowly = Promise.withResolvers<void>();
      slow.answer = async (note) => {
        await slowly.promise;
        return slow.cosigner.sign(note);
      };
      await kept.grow(1);
      await open([seldom, slow, quick]);
      for (let n = 0; n < 3; n++) {
        await kept.grow(1);
        await passed(5000);
      }
      assert.deepEqual([seldom.given.length, slow.given.length, quick.given.length], [2, 1, 4]);
      slowly.resolve();
      await passed(0);
      await passed(5000);
      assert.deepEqual(slow.given.at(-1), [4, 1]);
    });
  });

  describe('signatures of witnesses', () => {
    test('stand under the checkpoint in the store and in the ledger, those of all together', async () => {
      const [a, b] = [new TestKeeper('a'), new TestKeeper('b')];
      const { size } = await kept.grow(1);
      const keepers = await open([a, b]);
      await passed(1);
      const [stored] = await kept.reader.checkpoints(size - 1, 1);
      for (const note of [stored!.note, kept.ledger.checkpoint!.note, keepers.newestCosigned!.note]) {
        assert.match(note, /— claviger\/kept .*\n— witness\.example\/a .*\n— witness\.example\/b .*\n$/);
      }
    });

    test('come under the checkpoint that they are for, though there are newer ones', async () => {
      const [slow, quick] = [new TestKeeper('a'), new TestKeeper('b')];
      const slowly = Promise.withResolvers<void>();
      slow.answer = async (note) => {
        await slowly.promise;
        return slow.cosigner.sign(note);
      };
      const first = await kept.grow(1);
      const keepers = await open([slow, quick]);
      const second = await kept.grow(1);
      await passed(5000);
      assert.equal(keepers.newestCosigned, null, 'one of two is not more than half');
      slowly.resolve();
      await passed(1);
      assert.equal(keepers.newestCosigned!.size, first.size);
      assert.equal(kept.ledger.checkpoint!.size, second.size);
      assert.doesNotMatch(kept.ledger.checkpoint!.note, /witness\.example\/a/);
    });

    test('are found again after a restart, and asked for from where each was', async () => {
      const { size } = await kept.grow(1);
      const keeper = new TestKeeper('a');
      await open([keeper]);
      await passed(1);
      await opened.pop()!.finish();
      await kept.close();
      kept = await openKeptLog({ folder, signer: kept.signer });
      const keepers = await open([keeper]);
      assert.equal(keepers.newestCosigned!.size, size);
      assert.deepEqual(keepers.status(), [
        { name: 'a', kind: 'witness', state: 'ok', confirmedSize: size, lagSeconds: 0, taken: true, lastError: null },
      ]);
      await passed(60_000);
      assert.deepEqual(
        keeper.given,
        [
          [size, 0],
          [size, size],
        ],
        'once after each start, though nothing is new: the store may be a restored one',
      );
    });

    test('do not count after a restart where the configuration asks for more', async () => {
      await kept.grow(1);
      const keeper = new TestKeeper('a');
      await open([keeper]);
      await passed(1);
      await opened.pop()!.finish();
      assert.equal((await open([keeper, new TestKeeper('b')], 2, false)).newestCosigned, null);
    });
  });

  describe('a keeper that fails', () => {
    test('is asked later and later, and its lag is seen', async () => {
      const keeper = new TestKeeper('a', 1000);
      keeper.answer = () => Promise.reject(new Error('away'));
      await kept.grow(1);
      const keepers = await open([keeper]);
      await passed(60_000);
      assert.equal(keeper.given.length, 6, 'at 0, 1, 3, 7, 15 and 31 seconds');
      const [{ state, lagSeconds, lastError, confirmedSize }] = keepers.status() as [never];
      assert.deepEqual([state, lastError, confirmedSize], ['failing', 'away', 0]);
      assert.ok(lagSeconds >= 60);
      assert.deepEqual(told, ['warn the witness `a` does not take the checkpoint; it is asked again']);
    });

    test('is behind since the first record that it has not, also after a restart; a new one is not behind with those before it', async () => {
      const keeper = new TestKeeper('a', 1000);
      const { answer } = keeper;
      await kept.grow(1);
      await open([keeper]);
      await passed(2000);
      keeper.answer = () => Promise.reject(new Error('away'));
      await kept.grow(3);
      await passed(2000);
      const finishing = opened.pop()!.finish();
      await time.pass(10_000);
      await finishing;
      await kept.close();
      kept = await openKeptLog({ folder, signer: kept.signer });
      const keepers = await open([keeper, new TestKeeper('new', 1000)], 1, false);
      const [{ index, record }] = (await kept.reader.recordsFrom(1, 1)).map((stored) => new FollowedRecord(stored)) as [
        FollowedRecord,
      ];
      assert.equal(index, 1);
      const [old, fresh] = keepers.status();
      assert.deepEqual([old!.taken, old!.confirmedSize, fresh!.lagSeconds], [false, 1, 0]);
      assert.equal(old!.lagSeconds, (time.now() - Date.parse(record.time)) / 1000);
      keeper.answer = answer;
      keepers.begin();
      await passed(2000);
      const [well] = keepers.status();
      assert.deepEqual([well!.taken, well!.lagSeconds, well!.state], [true, 0, 'ok']);
    });

    test('that comes back gets the newest checkpoint, and the operator is told', async () => {
      const keeper = new TestKeeper('a', 1000);
      const { answer } = keeper;
      keeper.answer = () => Promise.reject(new Error('away'));
      await kept.grow(1);
      const keepers = await open([keeper]);
      await passed(5000);
      keeper.answer = answer;
      const { size } = await kept.grow(1);
      await passed(10_000);
      assert.deepEqual(keepers.status()[0], {
        name: 'a',
        kind: 'witness',
        state: 'ok',
        confirmedSize: size,
        lagSeconds: 0,
        taken: true,
        lastError: null,
      });
      assert.equal(told.at(-1), 'info the witness `a` takes checkpoints of the log again');
    });

    test('hinders no other, and no answer', async () => {
      const [hung, good] = [new TestKeeper('a'), new TestKeeper('b')];
      hung.answer = () => new Promise(() => undefined);
      await kept.grow(1);
      await open([hung, good], 1);
      for (let n = 0; n < 3; n++) {
        await kept.grow(10);
        await passed(5000);
      }
      assert.equal(good.given.length, 4);
      assert.equal(hung.given.length, 1);
    });

    test('and says that the past was changed is told at every attempt, until it takes a checkpoint', async () => {
      const keeper = new TestKeeper('a', 1000);
      const { answer } = keeper;
      keeper.answer = () => Promise.reject(new RewrittenError('it was cut', 9));
      await kept.grow(1);
      const keepers = await open([keeper]);
      await passed(3500);
      const alarm = 'error the witness `a` SAYS THAT THE PAST OF THE LOG WAS REWRITTEN';
      assert.deepEqual(told, [alarm, alarm, alarm]);
      keeper.answer = () => Promise.reject(new Error('away'));
      await passed(4000);
      assert.equal(keepers.status()[0]!.state, 'rewritten', 'an error that proves nothing does not end it');
      keeper.answer = answer;
      await passed(10_000);
      assert.equal(keepers.status()[0]!.state, 'ok');
    });
  });

  test('a log that is shorter than what a keeper has confirmed was cut: that is told before anybody is asked', async () => {
    await kept.grow(1);
    await kept.ledger.keep([{ put: 'cursor', name: 'checkpoint/witness/a', position: 12 }]);
    const keeper = new TestKeeper('a');
    const keepers = await open([keeper], 1, false);
    assert.deepEqual(told, ['error the witness `a` SAYS THAT THE PAST OF THE LOG WAS REWRITTEN']);
    const [status] = keepers.status();
    assert.deepEqual([status!.state, status!.confirmedSize], ['rewritten', 0]);
    assert.match(status!.lastError!, /confirmed 12 records of this log, which has 1 now/);
  });

  describe('the end', () => {
    test('gives everybody a checkpoint over everything', async () => {
      const keeper = new TestKeeper('a', 3_600_000);
      await kept.grow(1);
      await open([keeper]);
      await passed(1);
      await kept.grow(7);
      await opened.pop()!.finish();
      assert.deepEqual(keeper.given, [
        [1, 0],
        [8, 1],
      ]);
    });

    test('waits a few seconds for one who hangs, and not longer', async () => {
      const keeper = new TestKeeper('a');
      let aborted = false;
      keeper.answer = (_, signal) => {
        signal.addEventListener('abort', () => (aborted = true));
        return new Promise(() => undefined);
      };
      await kept.grow(1);
      await open([keeper]);
      let finished = false;
      const finishing = opened
        .pop()!
        .finish()
        .then(() => (finished = true));
      await time.pass(2900);
      assert.equal(finished, false);
      await time.pass(200);
      await finishing;
      assert.ok(aborted);
    });

    test('of nobody is no wait', async () => {
      await kept.grow(1);
      await (await open([])).finish();
    });
  });
});

async function open(keepers: readonly TestKeeper[], quorum = Math.floor(keepers.length / 2) + 1, begin = true) {
  const made = await CheckpointKeepers.open({
    keepers,
    witnessKeys: keepers.map(({ key }) => key),
    quorum,
    ledger: kept.ledger,
    store: kept.reader,
    clock: time,
    sleep: time.sleep,
    log: { write: (level, message) => told.push(`${level} ${message}`) },
  });
  if (begin) made.begin();
  opened.push(made);
  await passed(0);
  return made;
}

/** Time passes, and what was begun in it is durable. */
async function passed(ms: number): Promise<void> {
  await time.pass(ms);
  for (let turn = 0; turn < 5; turn++) {
    await kept.ledger.keep([{ put: 'cursor', name: 'test', position: turn }]);
    await time.pass(0);
  }
}
