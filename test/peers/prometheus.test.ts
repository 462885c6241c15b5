/**
 * Prometheus itself scrapes a server of ours, and promtool judges what it got: names, rules, queries of the dashboard.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { METRICS } from '../../src/server/metrics/definitions.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { ROOT } from '../../tools/run.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';

const execFileAsync = promisify(execFile);
const WAIT_MS_MAX = 30_000;

const folder = testFolder();
const alertsFile = join(ROOT, 'deploy/prometheus/alerts.yaml');
const dashboardFile = join(ROOT, 'deploy/grafana/claviger.json');
let server: TestServer;
let text: string;

before(async () => {
  server = await startTestServer();
  const { id } = await server.client.createKey({ spec: 'P-256' });
  await server.client.signBatch({ key: id, items: [{ message: Buffer.from('m') }] });
  // A checkpoint follows the records within a quarter of a second.
  await new Promise((resolve) => setTimeout(resolve, 500));
  text = await server.client.getMetrics();
});
after(async () => {
  await server.stop();
  removeFolder(folder);
});

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8')) as {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
};
const alerts = (parse(readFileSync(alertsFile, 'utf8')) as { groups: { rules: { alert: string; expr: string }[] }[] })
  .groups[0]!.rules;
const queries = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];

/** Names of metrics in a query, without what a histogram adds to them. */
function namesIn(query: string): readonly string[] {
  return [...query.matchAll(/\b((?:claviger|process|nodejs)_[a-z_]+)\b/g)].map(([, name]) =>
    name!.replace(/_(?:bucket|sum|count)$/, ''),
  );
}

suite('names', () => {
  const scraped = (): ReadonlySet<string> => new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!));
  /** What a server without TLS and without witnesses does not have. */
  const ABSENT = ['claviger_tls_certificate_expiry_timestamp_seconds', 'claviger_audit_cosigned_records'];

  test('every metric of the table is in a real scrape, and every one there is in the table', () => {
    assert.deepEqual([...scraped(), ...ABSENT].sort(), Object.keys(METRICS).sort());
  });

  test('every metric that the dashboard and the alerts ask for is there', () => {
    const asked = [
      ...queries,
      ...alerts.map(({ expr }) => expr),
      ...dashboard.templating.list.map(({ definition = '' }) => definition),
    ].flatMap(namesIn);
    assert.ok(asked.length > 60, String(asked.length));
    const known = new Set([...scraped(), ...ABSENT]);
    assert.deepEqual(
      [...new Set(asked)].filter((name) => !known.has(name)),
      [],
    );
  });

  test('every metric is asked for by the dashboard, or is one of the few that are not', () => {
    const asked = new Set(
      [...queries, ...dashboard.templating.list.map(({ definition = '' }) => definition)].flatMap(namesIn),
    );
    assert.deepEqual(
      Object.keys(METRICS).filter((name) => !asked.has(name)),
      ['nodejs_heap_size_total_bytes', 'nodejs_version_info'],
    );
  });

  test('every label that a query names is one of its metric', () => {
    const labels = new Set(Object.values(METRICS).flatMap((metric): readonly string[] => metric.labels));
    for (const known of ['job', 'instance', 'le']) labels.add(known);
    for (const query of [...queries, ...alerts.map(({ expr }) => expr)]) {
      for (const [, name] of query.matchAll(/[{,]\s*([a-z_]+)(?:=~|!~|!=|=)"/g)) assert.ok(labels.has(name!), query);
    }
  });
});

suite('promtool', () => {
  const promtool = async (t: TestContext): Promise<string | null> =>
    (await requirePeer(t, 'prometheus'))?.promtool ?? null;

  test('finds nothing to say about a real scrape', async (t) => {
    const program = await promtool(t);
    if (program === null) return;
    // Its only complaint would be on standard error, with exit code 3.
    execFileSync(program, ['check', 'metrics'], { input: text, stdio: ['pipe', 'pipe', 'pipe'] });
    assert.throws(
      () => execFileSync(program, ['check', 'metrics'], { input: 'bad_name_total{x="1" 1\n', stdio: 'pipe' }),
      'it would say something',
    );
  });

  test('accepts the alert rules and the example of a configuration', async (t) => {
    const program = await promtool(t);
    if (program === null) return;
    const { stdout } = await execFileAsync(program, ['check', 'rules', alertsFile]);
    assert.match(stdout, new RegExp(`SUCCESS: ${alerts.length} rules found`));
    const example = join(ROOT, 'deploy/prometheus/prometheus.example.yaml');
    await execFileAsync(program, ['check', 'config', '--syntax-only', example]);
  });

  test('sees each alert fire where it should and stay still where it should', async (t) => {
    const program = await promtool(t);
    if (program === null) return;
    cpSync(alertsFile, join(folder, 'alerts.yaml'));
    cpSync(join(import.meta.dirname, 'alerts.test.yaml'), join(folder, 'alerts.test.yaml'));
    await execFileAsync(program, ['test', 'rules', 'alerts.test.yaml'], { cwd: folder });
    // And it does find one that never fires.
    const dull = readFileSync(alertsFile, 'utf8').replace('claviger_audit_checkpoint_lag_seconds > 5', 'vector(0) > 5');
    writeFileSync(join(folder, 'alerts.yaml'), dull);
    await assert.rejects(execFileAsync(program, ['test', 'rules', 'alerts.test.yaml'], { cwd: folder }));
  });

  test('has a unit test for every alert, in both directions', () => {
    const tests = readFileSync(join(import.meta.dirname, 'alerts.test.yaml'), 'utf8');
    for (const { alert } of alerts) {
      assert.match(tests, new RegExp(`alertname: ${alert}, .*exp_alerts: \\[\\]`), alert);
      assert.ok(tests.includes(`{alertname="${alert}"}`), alert);
    }
  });

  test('understands every query of the dashboard', async (t) => {
    const program = await promtool(t);
    if (program === null) return;
    const rules = queries.map((query, at) => ({
      record: `dashboard:query${at}`,
      expr: query.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|instance|tenant|operation)/g, '.*'),
    }));
    const file = join(folder, 'dashboard.json');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const { stdout } = await execFileAsync(program, ['check', 'rules', file]);
    assert.match(stdout, new RegExp(`SUCCESS: ${queries.length} rules found`));
  });
});

suite('Prometheus', () => {
  let prometheus: ChildProcess | null = null;
  let api = '';
  after(async () => {
    if (prometheus === null || prometheus.exitCode !== null) return;
    prometheus.kill();
    await once(prometheus, 'exit');
  });

  /** What the query gives, once it gives something. */
  async function ask(query: string, fits: (value: number) => boolean): Promise<void> {
    const untilMs = performance.now() + WAIT_MS_MAX;
    for (let last = ''; ;) {
      const answer = await fetch(`${api}/query?query=${encodeURIComponent(query)}`).catch(() => null);
      last = answer === null ? 'no answer' : await answer.text();
      const value = answer?.ok === true ? (JSON.parse(last).data.result[0]?.value[1] as string | undefined) : undefined;
      if (value !== undefined && fits(Number(value))) return;
      assert.ok(performance.now() < untilMs, `${query}: ${last}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  test('scrapes us with `authorization: credentials`, and loads the alerts', async (t) => {
    const paths = await requirePeer(t, 'prometheus');
    if (paths === null) return;
    const { token } = await server.client.createToken({ name: 'prometheus', roles: ['auditor'], systemScope: true });
    writeFileSync(join(folder, 'claviger.token'), token!);
    const port = await freePort();
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [alertsFile],
      scrape_configs: [
        {
          job_name: 'claviger',
          authorization: { credentials_file: join(folder, 'claviger.token') },
          static_configs: [{ targets: [new URL(server.endpoint).host] }],
        },
        {
          job_name: 'stranger',
          metrics_path: '/metrics',
          static_configs: [{ targets: [new URL(server.endpoint).host] }],
        },
      ],
    };
    writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify(config));
    prometheus = spawn(
      paths.prometheus,
      [
        `--config.file=${join(folder, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    api = `http://127.0.0.1:${port}/api/v1`;
    await ask('up{job="claviger"}', (up) => up === 1);
    await ask('up{job="stranger"}', (up) => up === 0);
    await ask('claviger_requests_total{operation="SignBatch",code="OK"}', (count) => count === 1);
    await ask('claviger_requests_total{operation="GetMetrics",code="UNAUTHENTICATED"}', (count) => count >= 1);
    await ask('claviger_audit_records_total', (size) => size > 3);
    const rules = (await (await fetch(`${api}/rules`)).json()) as {
      data: { groups: { rules: { name: string; health: string; state: string }[] }[] };
    };
    const loaded = rules.data.groups.flatMap((group) => group.rules);
    assert.equal(loaded.length, alerts.length);
    assert.deepEqual(
      loaded.filter(({ health }) => health === 'err'),
      [],
    );
    assert.deepEqual(
      loaded.filter(({ state }) => state === 'firing').map(({ name }) => name),
      [],
      'nothing fires on a healthy server',
    );
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
