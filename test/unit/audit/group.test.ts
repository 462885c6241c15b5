import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, suite, test } from 'node:test';
import { CHANGES_MAX } from '../../../src/audit/group.ts';
import { VERDICTS, type CommittedMessage } from '../../../src/audit/protocol.ts';
import type { Change } from '../../../src/store/change.ts';
import { entity } from '../../../src/store/change.ts';
import { alias, draft, job, key, KEY, openTestLog, TENANT, type TestLog } from './jobs.ts';

let opened: TestLog;

const READ_KEY = { read: [entity.key(KEY)] };
const PUT_KEY: readonly Change[] = [{ put: 'key', key: key() }];

suite('a group', () => {
  beforeEach(() => {
    opened = openTestLog();
  });
  afterEach(() => opened.remove());

  describe('the epoch rule', () => {
    test('a job is done where nothing that it read has changed', () => {
      assert.deepEqual(group([job(1, READ_KEY)], []), ['done']);
      assert.equal(records(), 1);
    });

    test('a job whose key has changed after its decision began is stale and leaves no record', () => {
      group([job(1)], [[1, PUT_KEY]]);
      assert.deepEqual(group([job(2, { ...READ_KEY, decidedAt: 0 })], []), ['stale']);
      assert.equal(records(), 1);
    });

    test('a job that was decided after the change is done', () => {
      const { sequence } = committed([job(1)], [[1, PUT_KEY]]);
      assert.deepEqual(group([job(2, { ...READ_KEY, decidedAt: sequence })], []), ['done']);
    });

    test('a job that read something else is done', () => {
      group([job(1)], [[1, PUT_KEY]]);
      assert.deepEqual(group([job(2, { read: [entity.key('another')] })], []), ['done']);
    });

    test('within one group, a job after the change is stale, one before it is done', () => {
      const verdicts = group([job(1, READ_KEY), job(2), job(3, READ_KEY)], [[2, PUT_KEY]]);
      assert.deepEqual(verdicts, ['done', 'done', 'stale']);
      assert.equal(records(), 2);
    });

    test('a stale job changes nothing', async () => {
      group([job(1)], [[1, PUT_KEY]]);
      const changes: Change[] = [{ put: 'key', key: key(KEY, { state: 'Suspended' }) }];
      assert.deepEqual(group([job(2, READ_KEY)], [[2, changes]]), ['stale']);
      assert.equal((await opened.reader.key(KEY))!.key.state, 'Active');
    });

    for (const [what, change, name] of [
      ['alias', { put: 'alias', alias: alias('x') }, entity.alias(TENANT, 'x')],
      ['deleted alias', { drop: 'alias', tenantId: TENANT, name: 'x' }, entity.alias(TENANT, 'x')],
      ['material', { put: 'material', keyId: KEY, version: 1, sealed: Buffer.alloc(1) }, entity.key(KEY)],
      ['dropped material', { drop: 'material', keyId: KEY, version: 1 }, entity.key(KEY)],
      [
        'credential',
        {
          put: 'credential',
          credential: {
            id: 'c1',
            tenantId: TENANT,
            kind: 'token',
            name: 'n',
            roles: [],
            systemScope: false,
            accessKeyId: null,
            verifier: Buffer.alloc(32),
            createdAt: 1,
            expiresAt: null,
            revokedAt: 2,
          },
        },
        entity.credential('c1'),
      ],
    ] as const satisfies readonly (readonly [string, Change, string])[]) {
      test(`a change of a ${what} makes what was decided with it stale`, () => {
        group([job(1)], [[1, PUT_KEY]]);
        const before = committed([job(2)], []).sequence;
        group([job(3)], [[3, [change]]]);
        assert.deepEqual(group([job(4, { read: [name], decidedAt: before })], []), ['stale']);
      });
    }

    test('the rule holds on after the store was opened anew: old decisions stay stale, sequences go on', () => {
      const { sequence } = committed([job(1)], [[1, PUT_KEY]]);
      opened.log.begin();
      opened.log.abandon();
      opened.log.reload(opened.reopened());
      assert.deepEqual(group([job(2, READ_KEY)], []), ['stale']);
      const after = committed([job(3)], [[3, [{ put: 'key', key: key(KEY, { state: 'Suspended' }) }]]]);
      assert.ok(after.sequence > sequence, 'a sequence is never given twice');
      assert.deepEqual(group([job(4, { ...READ_KEY, decidedAt: sequence })], []), ['stale']);
    });
  });

  describe('changes beyond those that are remembered', () => {
    const NAMES = Array.from({ length: CHANGES_MAX + 1 }, (_, n) => `a${n}`);
    const ALL = NAMES.map((name): Change => ({ drop: 'alias', tenantId: TENANT, name }));

    test('make every older decision stale, for what it read may have been among them; a newer one is done', () => {
      const { sequence: first } = committed([job(1)], [[1, PUT_KEY]]);
      const { sequence } = committed([job(2)], [[2, ALL]]);
      const others = { read: [entity.key('another')] };
      assert.deepEqual(group([job(3, { ...others, decidedAt: first - 1 })], []), ['stale']);
      assert.deepEqual(group([job(4, { ...others, decidedAt: sequence })], []), ['done']);
      assert.deepEqual(group([job(5, { ...READ_KEY, decidedAt: first - 1 })], []), ['stale']);
      assert.deepEqual(group([job(6, { ...READ_KEY, decidedAt: sequence })], []), ['done']);
    });

    test('leave those in memory that came last', () => {
      committed([job(1)], [[1, ALL]]);
      const { sequence } = committed([job(2)], [[2, PUT_KEY]]);
      assert.deepEqual(group([job(3, { ...READ_KEY, decidedAt: sequence - 1 })], []), ['stale']);
      assert.deepEqual(group([job(4, { read: [entity.key('another')], decidedAt: sequence - 1 })], []), ['done']);
    });
  });

  describe('a collision', () => {
    test('is recorded as CONFLICT, and changes nothing of its job and nothing of the others', async () => {
      const tenant = { id: 'another', name: 'default', accountId: '999999999999', createdAt: 1 };
      const colliding: Change[] = [
        { put: 'key', key: key() },
        { put: 'tenant', tenant, sealedKey: Buffer.alloc(1) },
      ];
      const other: Change[] = [{ put: 'key', key: key('019a0000-0000-7000-8000-0000000000bb') }];
      assert.deepEqual(
        group(
          [job(1), job(2)],
          [
            [1, colliding],
            [2, other],
          ],
        ),
        ['conflict', 'done'],
      );
      assert.equal(await opened.reader.key(KEY), null);
      assert.notEqual(await opened.reader.key('019a0000-0000-7000-8000-0000000000bb'), null);
      assert.deepEqual(await outcomes(), ['CONFLICT', 'OK']);
    });

    test('changes no entity: what was decided meanwhile stands', () => {
      const tenant = { id: 'another', name: 'default', accountId: '999999999999', createdAt: 1 };
      group(
        [job(1)],
        [
          [
            1,
            [
              { put: 'key', key: key() },
              { put: 'tenant', tenant, sealedKey: Buffer.alloc(1) },
            ],
          ],
        ],
      );
      assert.deepEqual(group([job(2, READ_KEY)], []), ['done']);
    });

    test('of a foreign key (a version without its key) is a CONFLICT too', async () => {
      const orphan: Change = { put: 'material', keyId: 'nobody', version: 1, sealed: Buffer.alloc(1) };
      assert.deepEqual(group([job(1)], [[1, [orphan]]]), ['conflict']);
    });
  });

  describe('signatures', () => {
    test('of a job that cannot be signed are recorded as INTERNAL, the others of the group are made', async () => {
      opened.log.begin();
      opened.log.take(job(1), [], () => {
        throw new Error('no such key');
      });
      opened.log.take(job(2), [], () => [Buffer.of(1, 2, 3)]);
      const { verdicts, signatures } = opened.log.commit();
      assert.deepEqual(names(verdicts), ['sign-failed', 'done']);
      assert.deepEqual([...signatures], [0, 3, 1, 2, 3]);
      assert.deepEqual(await outcomes(), ['INTERNAL', 'OK']);
    });

    test('are not made for a stale job', () => {
      group([job(1)], [[1, PUT_KEY]]);
      opened.log.begin();
      opened.log.take(job(2, READ_KEY), [], () => assert.fail('signed'));
      assert.deepEqual(names(opened.log.commit().verdicts), ['stale']);
    });
  });

  describe('the log', () => {
    test('numbers records from 0 without gaps, over groups, refusals and stale jobs', async () => {
      group([job(1), job(2, { outcome: 'KEY_STATE' })], [[1, PUT_KEY]]);
      group([job(3, READ_KEY), job(4)], []);
      const { records } = await opened.reader.auditRecords(ALL);
      assert.deepEqual(
        records.map(({ index }) => index),
        [2, 1, 0],
      );
    });

    test('of a group that was given up holds nothing, and the next record takes its number', async () => {
      group([job(1)], []);
      opened.log.begin();
      opened.log.take(job(2), PUT_KEY, () => []);
      assert.deepEqual(opened.log.abandon(), [2]);
      assert.equal(await opened.reader.key(KEY), null);
      assert.deepEqual([...committed([job(3)], []).indexes], [1]);
    });

    test('never goes back in time', async () => {
      const at = (iso: string) => ({ draft: draft({ atMs: Date.parse(iso) }) });
      group([job(1, at('2026-01-02T00:00:00Z')), job(2, at('2026-01-01T00:00:00Z'))], []);
      group([job(3, at('2025-01-01T00:00:00Z')), job(4, at('2026-01-03T00:00:00Z'))], []);
      const { records } = await opened.reader.auditRecords(ALL);
      const times = records.map(({ entry }) => (JSON.parse(Buffer.from(entry).toString()) as { time: string }).time);
      assert.deepEqual(
        times.map((time) => time.slice(0, 10)),
        ['2026-01-03', '2026-01-02', '2026-01-02', '2026-01-02'],
      );
    });

    test('goes on where it ended after it was opened anew', () => {
      group([job(1), job(2)], []);
      opened.log.reload(opened.reopened());
      assert.deepEqual([...committed([job(3)], []).indexes], [2]);
    });
  });
});

const ALL = {
  tenantId: null,
  outcome: null,
  principal: null,
  keyId: null,
  operation: null,
  requestId: null,
  sinceMs: null,
  intents: true,
  before: null,
  limit: 100,
};

function committed(
  jobs: readonly ReturnType<typeof job>[],
  changes: readonly (readonly [number, readonly Change[]])[],
): CommittedMessage {
  const byId = new Map(changes);
  opened.log.begin();
  for (const one of jobs) opened.log.take(one, byId.get(one.id) ?? [], () => []);
  return opened.log.commit();
}

function group(...args: Parameters<typeof committed>): string[] {
  return names(committed(...args).verdicts);
}

function names(verdicts: Uint8Array): string[] {
  return Array.from(verdicts, (position) => VERDICTS[position]!);
}

async function outcomes(): Promise<unknown[]> {
  const { records } = await opened.reader.auditRecords(ALL);
  return records
    .toReversed()
    .map(({ entry }) => (JSON.parse(Buffer.from(entry).toString()) as { outcome: string }).outcome);
}

function records(): number {
  return opened.reopened().tail().nextIndex;
}
