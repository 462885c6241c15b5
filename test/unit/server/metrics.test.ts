import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import type { OperationName } from '../../../src/model/operation.ts';
import type { Run } from '../../../src/ports/metrics.ts';
import { Exposition } from '../../../src/server/metrics/exposition.ts';
import { Histogram } from '../../../src/server/metrics/histogram.ts';
import { Requests } from '../../../src/server/metrics/requests.ts';
import { ServerMetrics } from '../../../src/server/metrics/server-metrics.ts';

const RUN: Run = {
  operation: 'Sign',
  tenantId: 't1',
  provider: 'software',
  code: 'OK',
  durationMs: 4,
  items: 0,
  itemsFailed: 0,
  failovers: [],
  missingHomes: [],
};

function metricsOf(t: TestContext): ServerMetrics {
  const metrics = new ServerMetrics({ tenantName: (id) => `name-of-${id}` });
  t.after(() => metrics.close());
  return metrics;
}

const linesWith = (text: string, part: string): string[] =>
  text.split('\n').filter((line) => line.includes(part) && !line.startsWith('#'));

suite('a histogram', () => {
  test('counts a value in the first bucket whose bound is not below it, and in all after', () => {
    const histogram = new Histogram([1, 2, 4]);
    for (const value of [0, 1, 1.5, 2, 4, 4.1, 100]) histogram.add(value);
    assert.deepEqual(histogram.cumulative(), [2, 4, 5, 7]);
    assert.equal(histogram.sum, 112.6);
  });

  test('without values has nothing in any bucket', () => {
    assert.deepEqual(new Histogram([1]).cumulative(), [0, 0]);
  });
});

suite('requests', () => {
  test('are told apart by operation, tenant, provider and code', async (t) => {
    const metrics = metricsOf(t);
    for (const run of [
      RUN,
      RUN,
      { ...RUN, code: 'KEY_STATE' },
      { ...RUN, tenantId: 't2' },
      { ...RUN, operation: 'Encrypt', provider: null },
      { ...RUN, operation: null, tenantId: null, provider: null, code: 'UNAUTHENTICATED' },
    ] as const) {
      metrics.begin();
      metrics.end(run);
    }
    const series = (operation: string, tenant: string, provider: string, code: string): string =>
      `claviger_requests_total{operation="${operation}",tenant="${tenant}",provider="${provider}",code="${code}"}`;
    assert.deepEqual(linesWith(await metrics.render(null), 'claviger_requests_total'), [
      `${series('Sign', 'name-of-t1', 'software', 'OK')} 2`,
      `${series('Sign', 'name-of-t1', 'software', 'KEY_STATE')} 1`,
      `${series('Sign', 'name-of-t2', 'software', 'OK')} 1`,
      `${series('Encrypt', 'name-of-t1', '_none', 'OK')} 1`,
      `${series('_none', '_none', '_none', 'UNAUTHENTICATED')} 1`,
    ]);
  });

  test('of one tenant are shown without those of any other, and without those of strangers', async (t) => {
    const metrics = metricsOf(t);
    for (const tenantId of ['t1', 't2', null]) {
      metrics.begin();
      metrics.end({ ...RUN, tenantId });
    }
    const text = await metrics.render('t1');
    assert.equal(linesWith(text, 'claviger_requests_total').length, 1);
    assert.ok(text.includes('tenant="name-of-t1"'));
    assert.ok(!text.includes('t2') && !text.includes('tenant="_none"'), text);
    assert.ok(text.includes('claviger_requests_in_flight 0'), 'what is of the whole process is shown');
  });

  test('take as long as they took: in seconds, in every bucket from there on', async (t) => {
    const metrics = metricsOf(t);
    metrics.begin();
    metrics.end({ ...RUN, durationMs: 4 });
    metrics.begin();
    metrics.end({ ...RUN, durationMs: 60_000 });
    const lines = linesWith(await metrics.render(null), 'claviger_request_duration_seconds');
    const value = (ending: string): string | undefined =>
      lines
        .find((line) => line.includes(ending))
        ?.split(' ')
        .at(-1);
    assert.equal(value('le="0.003"'), '0');
    assert.equal(value('le="0.005"'), '1');
    assert.equal(value('le="10"'), '1');
    assert.equal(value('le="+Inf"'), '2');
    assert.equal(value('_count'), '2');
    assert.equal(value('_sum'), '60.004');
  });

  test('of more tenants than have a label share `_other`, and none is lost', () => {
    const requests = new Requests();
    for (let tenant = 0; tenant < 500; tenant++) requests.add({ ...RUN, tenantId: `t${tenant}` });
    const all = [...requests.all()];
    assert.equal(all.length, 101);
    assert.equal(all.find(({ tenantId }) => tenantId === '_other')!.counts[0], 400);
    requests.add({ ...RUN, tenantId: 't7' });
    assert.equal(all.find(({ tenantId }) => tenantId === 't7')!.counts[0], 2);
  });

  test('never make more than so many series, whatever comes', () => {
    const requests = new Requests();
    const operations = Array.from({ length: 80 }, (_, at) => `Operation${at}` as OperationName);
    let added = 0;
    for (const operation of operations) {
      for (let tenant = 0; tenant < 120; tenant++) {
        requests.add({ ...RUN, operation, tenantId: `t${tenant}`, provider: `p${tenant % 30}` });
        added += 1;
      }
    }
    const all = [...requests.all()];
    // What comes after the limit belongs to `_other`: at most one for each operation and provider.
    assert.ok(all.length <= 4000 + operations.length * 17, String(all.length));
    assert.equal(
      all.reduce((sum, { counts }) => sum + counts[0]!, 0),
      added,
    );
  });

  test('in flight are those that have begun and not ended', async (t) => {
    const metrics = metricsOf(t);
    metrics.begin();
    metrics.begin();
    metrics.end(RUN);
    assert.ok((await metrics.render(null)).includes('claviger_requests_in_flight 1\n'));
  });

  test('of a batch are one, and its items are counted beside', async (t) => {
    const metrics = metricsOf(t);
    metrics.begin();
    metrics.end({ ...RUN, operation: 'SignBatch', items: 100, itemsFailed: 3 });
    const text = await metrics.render(null);
    assert.ok(text.includes('claviger_batch_items_total{result="ok"} 97\n'));
    assert.ok(text.includes('claviger_batch_items_total{result="failed"} 3\n'));
    assert.match(text, /operation="SignBatch".*code="OK"\} 1\n/);
  });
});

suite('readings', () => {
  test('are read at each scrape; one that fails costs only itself', async (t) => {
    const metrics = metricsOf(t);
    let open = 3;
    metrics.read('claviger_http_connections', () => open);
    metrics.read('claviger_cache_entries', () => Promise.reject(new Error('gone')));
    assert.ok((await metrics.render(null)).includes('claviger_http_connections 3\n'));
    open = 4;
    const text = await metrics.render(null);
    assert.ok(text.includes('claviger_http_connections 4\n'));
    assert.ok(!text.includes('claviger_cache_entries'));
  });

  test('have a name in the table, or are refused', (t) => {
    assert.throws(() => metricsOf(t).read('claviger_nonsense', () => 1), /there is no metric `claviger_nonsense`/);
  });

  test('of a group without jobs, which is a checkpoint alone, do not count as a group', async (t) => {
    const metrics = metricsOf(t);
    metrics.committed(0, 1);
    metrics.committed(4, 1);
    const text = await metrics.render(null);
    assert.ok(text.includes('claviger_audit_group_jobs_count 1\n'));
    assert.ok(text.includes('claviger_audit_commit_duration_seconds_count 2\n'));
  });
});

test('labels are escaped, and what is no number is written as the format wants it', () => {
  const text = new Exposition();
  text.sample('a', [['label', 'back\\slash "quoted"\nnext']], 1);
  text.sample('b', [], Infinity);
  text.sample('c', [], Number.NaN);
  assert.equal(text.text(), 'a{label="back\\\\slash \\"quoted\\"\\nnext"} 1\nb +Inf\nc NaN\n');
});
