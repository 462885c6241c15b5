/** Lists of the log, where changes at homes have two records each: an intent before and an outcome after. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { AuditRecord } from '../../src/audit/opened.ts';
import type { ListAuditRecordsInput, ListAuditRecordsOutput } from '../../src/operations/list-audit-records.ts';
import { failing, homesService, type HomesService } from '../support/homes-service.ts';
import { readLog } from '../support/stored-log.ts';

/** Makes so many keys, each of which leaves an intent and an outcome. */
async function withKeys(it: HomesService, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
}

/** Every page of a list; the first begins with what the lists before it have left. */
async function pagesOf(it: HomesService, input: ListAuditRecordsInput): Promise<readonly ListAuditRecordsOutput[]> {
  const pages: ListAuditRecordsOutput[] = [];
  let cursor: string | undefined;
  do {
    const page = await it.as('auditor').listAuditRecords({ ...input, cursor });
    pages.push(page);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

const phases = (records: readonly AuditRecord[]): readonly string[] => records.map(({ phase }) => phase);
const indexes = (records: readonly AuditRecord[]): readonly number[] => records.map(({ index }) => index);

suite('a list', () => {
  test('leaves intents out, unless it is asked for them', async (t) => {
    const it = await homesService(t);
    await withKeys(it, 1);
    it.c.fault = failing('PROVIDER_UNAVAILABLE', 'create');
    await assert.rejects(withKeys(it, 1), { code: 'PROVIDER_UNAVAILABLE' });
    const wanted = { operation: 'CreateKey' };
    const auditor = it.as('auditor');
    for (const input of [wanted, { ...wanted, intents: false }]) {
      const { records } = await auditor.listAuditRecords(input);
      assert.deepEqual(
        records.map(({ phase, outcome }) => [phase, outcome]),
        [
          ['outcome', 'PROVIDER_UNAVAILABLE'],
          ['outcome', 'OK'],
        ],
      );
      const [{ requestId }] = records as [AuditRecord];
      assert.deepEqual(phases((await auditor.listAuditRecords({ requestId })).records), ['outcome']);
      const both = await auditor.listAuditRecords({ requestId, intents: true });
      assert.deepEqual(phases(both.records), ['outcome', 'intent']);
    }
    const { records } = await auditor.listAuditRecords({ ...wanted, intents: true });
    assert.deepEqual(phases(records), ['outcome', 'intent', 'outcome', 'intent']);
  });

  test('by outcome has none, whatever it is asked: an intent has no outcome yet', async (t) => {
    const it = await homesService(t);
    await withKeys(it, 2);
    const input = { operation: 'CreateKey', outcome: 'OK', intents: true };
    const { records } = await it.as('auditor').listAuditRecords(input);
    assert.deepEqual(phases(records), ['outcome', 'outcome']);
  });

  test('holds as many records a page as were asked for, whatever intents lie between, each record once', async (t) => {
    const it = await homesService(t);
    await withKeys(it, 7);
    const stored = readLog(it.folder).map(({ record }) => record as unknown as AuditRecord);
    const own = stored.filter(({ tenant }) => tenant === it.tenantId);
    const until = stored.length;
    for (const intents of [false, true]) {
      const expected = own.filter(({ phase }) => intents || phase !== 'intent').map(({ index }) => index);
      for (const limit of [1, 2, 3, 5, 1000]) {
        const pages = await pagesOf(it, { limit, intents });
        const found = pages.flatMap(({ records }) => records).filter(({ index }) => index < until);
        assert.deepEqual(indexes(found), expected.toReversed(), `intents ${intents}, limit ${limit}`);
        for (const { records } of pages.slice(0, -1)) assert.equal(records.length, limit);
      }
    }
  });

  test('goes on where another ended, with intents or without', async (t) => {
    const it = await homesService(t);
    await withKeys(it, 4);
    const auditor = it.as('auditor');
    const wanted = { operation: 'CreateKey', limit: 1 };
    const first = await auditor.listAuditRecords(wanted);
    const [outcome] = first.records as [AuditRecord];
    const next = await auditor.listAuditRecords({ ...wanted, intents: true, cursor: first.nextCursor! });
    const [intent] = next.records as [AuditRecord];
    assert.deepEqual([intent.phase, intent.requestId], ['intent', outcome.requestId]);
    const after = await auditor.listAuditRecords({ ...wanted, cursor: next.nextCursor! });
    const [before] = after.records as [AuditRecord];
    assert.deepEqual([before.phase, before.index < intent.index], ['outcome', true]);
    assert.notEqual(before.requestId, outcome.requestId);
  });
});
