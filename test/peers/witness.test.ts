import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Log } from '../../src/ports/log.ts';
import type { GoPaths } from '../../tools/peers/go.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { runCli, type CliRun } from '../support/cli.ts';
import { newCosigner } from '../support/cosigner.ts';
import { startGoWitness, verifyInGo, type GoWitness } from '../support/go-witness.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { startStandIn } from '../support/stand-in.ts';

const WAIT_MS_MAX = 15_000;
const REWRITTEN = /SAYS THAT THE PAST OF THE LOG WAS REWRITTEN/;

interface Health {
  readonly name: string;
  readonly state: string;
  readonly confirmedSize: number;
  readonly lagSeconds: number;
  readonly lastError: string | null;
}

let folder: string;
let store: string;
let told: string[];
const log: Log = { write: (level, message, fields) => told.push(`${level} ${message} ${JSON.stringify(fields)}`) };

before(() => {
  folder = testFolder();
});
after(() => removeFolder(folder));
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'w1'), { recursive: true });
  mkdirSync(join(folder, 'w2'));
  store = join(folder, 'store');
  told = [];
});

describe('a real witness', () => {
  test('signs checkpoints of a real server, and Go and OpenSSL verify what it signed', async (t) => {
    await withWitness(t, async (go, witness, logKey) => {
      const server = await serverWith(witness);
      try {
        await work(server, 300);
        const { note, size } = await cosigned(server, 300);
        assert.equal(await verifyInGo(go, note, { logKey, witnessKey: witness.key }), size);
        checkWithOpenssl(note, witness.key);
        await assert.rejects(
          verifyInGo(go, note.replace(`\n${size}\n`, `\n${size + 1}\n`), { logKey, witnessKey: witness.key }),
        );
        const [health] = await healthOf(server);
        assert.deepEqual([health!.name, health!.state, health!.lastError], ['w1', 'ok', null]);
        const verified = await audited(server, logKey, witness.key);
        assert.equal(verified.code, 0, verified.stderr);
        assert.match(verified.stdout, /witness +witness\.example\/w1/);
      } finally {
        await server.stop();
      }
    });
  });

  test('with a post-quantum key as well', async (t) => {
    await withWitness(
      t,
      async (go, witness, logKey) => {
        const server = await serverWith(witness);
        try {
          const { note, size } = await cosigned(server, 1);
          assert.equal(await verifyInGo(go, note, { logKey, witnessKey: witness.key, mlDsa: true }), size);
        } finally {
          await server.stop();
        }
      },
      true,
    );
  });

  test('has signed what a stop leaves behind, and both go on after a restart of both', async (t) => {
    await withWitness(t, async (go, witness, logKey) => {
      let server = await serverWith(witness);
      await work(server, 20);
      await server.stop();
      const last = stored();
      assert.equal(last.size, last.records, 'the last checkpoint covers everything');
      assert.equal(await verifyInGo(go, last.note, { logKey, witnessKey: witness.key }), last.size);
      await witness.stop();
      const again = await startGoWitness(go, { ...witness.options, address: new URL(witness.url).host });
      server = await serverWith(witness);
      try {
        await work(server, 20);
        await cosigned(server, last.size + 20);
        assert.deepEqual(alarms(), []);
      } finally {
        await server.stop();
        await again.stop();
      }
    });
  });

  test('that is away keeps nobody waiting, is asked again, and signs when it is back', async (t) => {
    await withWitness(t, async (go, witness) => {
      await witness.stop();
      const server = await serverWith(witness);
      try {
        await work(server, 50);
        const failing = await until(
          async () => (await healthOf(server))[0]!,
          ({ state }) => state === 'failing',
        );
        assert.match(failing.lastError!, /ECONNREFUSED/);
        assert.equal((await checkpointOf(server, true)).status, 404);
        const again = await startGoWitness(go, { ...witness.options, address: new URL(witness.url).host });
        try {
          await cosigned(server, 50);
          assert.ok(told.some((line) => line.startsWith('info the witness `w1` takes checkpoints of the log again')));
        } finally {
          await again.stop();
        }
      } finally {
        await server.stop();
      }
    });
  });

  test('that forgot everything signs from the beginning', async (t) => {
    await withWitness(t, async (go, witness) => {
      const server = await serverWith(witness);
      try {
        await cosigned(server, 1);
        await witness.stop();
        rmSync(join(folder, 'w1', 'checkpoint'));
        const again = await startGoWitness(go, { ...witness.options, address: new URL(witness.url).host });
        try {
          await work(server, 5);
          await until(
            async () => told,
            (lines) => lines.some((line) => /has forgotten what it signed/.test(line)),
          );
          await cosigned(server, 6);
          assert.deepEqual(alarms(), []);
        } finally {
          await again.stop();
        }
      } finally {
        await server.stop();
      }
    });
  });

  test('refuses a log that was restored from an older copy and grew differently, and that is told loudly', async (t) => {
    await withWitness(t, async (_, witness) => {
      let server = await serverWith(witness);
      await work(server, 10);
      await server.stop();
      cpSync(store, join(folder, 'older'), { recursive: true });
      server = await serverWith(witness);
      await work(server, 30);
      await server.stop();
      const signed = stored().size;
      rmSync(store, { recursive: true });
      cpSync(join(folder, 'older'), store, { recursive: true });

      // Shorter than what the witness signed: it was cut.
      server = await serverWith(witness);
      await until(
        async () => alarms(),
        (lines) => lines.length > 0,
      );
      assert.match(
        alarms()[0]!,
        new RegExp(`it has signed ${signed} records of this log, which has \\d+ now: it was cut`),
      );
      const [cut] = await healthOf(server);
      assert.equal(cut!.state, 'rewritten');
      await server.stop();

      // Longer, but another: no proof leads there.
      told = [];
      server = await serverWith(witness);
      await work(server, 60);
      await server.stop();
      // What the server before this one said is not what this one says.
      told = [];
      server = await serverWith(witness);
      try {
        const grown = new RegExp(`the ${signed} records that it has signed are not the first of the \\d+ in this log`);
        await until(
          async () => alarms(),
          (lines) => lines.some((line) => grown.test(line)),
        );
        const [health] = await healthOf(server);
        assert.deepEqual([health!.state, health!.confirmedSize < signed], ['rewritten', true]);
        const metrics = await server.fetch('GET', '/metrics');
        const told = await until(
          () => server.client.listAlerts(),
          ({ alerts }) => alerts.some(({ rule }) => rule === 'log-rewritten'),
        );
        assert.equal(told.alerts.find(({ rule }) => rule === 'log-rewritten')!.severity, 'critical');
        assert.match(String(metrics.body), /^claviger_audit_keeper_rewritten\{keeper="witness\/w1"\} 1$/m);
      } finally {
        await server.stop();
      }
    });
  });
});

test('a witness that never answers keeps neither callers nor the end waiting', async () => {
  const silent = await startStandIn(() => undefined);
  const server = await serverWith({ url: silent.url.href, key: newCosigner().key });
  try {
    const begun = performance.now();
    await work(server, 200);
    assert.ok(performance.now() - begun < 5000);
    assert.equal((await healthOf(server))[0]!.confirmedSize, 0);
  } finally {
    const begun = performance.now();
    await server.stop();
    silent.stop();
    assert.ok(performance.now() - begun < 8000, 'three seconds for the witness, and what the rest takes');
  }
});

test('a witness that signs with another key, or talks, is told to be failing, and its words stand nowhere', async () => {
  const other = newCosigner();
  let answers = 0;
  const liar = await startStandIn((_, response, body) => {
    answers += 1;
    response.end(answers % 2 === 0 ? '<h1>hello</h1>' : other.sign(body.slice(body.indexOf('\n\n') + 2)));
  });
  const server = await serverWith({ url: liar.url.href, key: newCosigner().key });
  try {
    await work(server, 5);
    for (const words of [/has no signature by witness\.example\/w1/, /is not lines of signatures/]) {
      await until(
        async () => (await healthOf(server))[0]!,
        ({ lastError }) => words.test(lastError ?? ''),
      );
    }
    assert.doesNotMatch((await checkpointOf(server, false)).note, /witness\.example|hello/);
    assert.equal((await checkpointOf(server, true)).status, 404);
  } finally {
    await server.stop();
    liar.stop();
  }
});

test('of two witnesses one is enough where the configuration says so, and both sign the same checkpoint', async (t) => {
  await withWitness(t, async (go, one, logKey) => {
    const two = await startGoWitness(go, { state: join(folder, 'w2'), name: 'witness.example/w2', logKey });
    const server = await serverWith(one, two);
    try {
      await work(server, 10);
      const { note } = await cosigned(server, 10);
      await verifyInGo(go, note, { logKey, witnessKey: one.key });
      await verifyInGo(go, note, { logKey, witnessKey: two.key });
    } finally {
      await server.stop();
      await two.stop();
    }
  });
});

describe('a copy of checkpoints on other storage', () => {
  test('has the last checkpoint after a stop; a log that was cut since does not start, until that is accepted', async () => {
    const copy = join(folder, 'elsewhere');
    const yaml = (more = ''): string =>
      `audit: { copies: [{ name: elsewhere, kind: file, path: ${copy}, everySeconds: 1${more} }] }`;
    let server = await startTestServer({ folder: store, log, config: yaml() });
    await work(server, 10);
    await server.stop();
    copyFileSync(join(store, 'claviger.db'), join(folder, 'older.db'));
    server = await startTestServer({ folder: store, log, config: yaml() });
    await work(server, 10);
    await server.stop();
    const { size } = JSON.parse(readFileSync(copy, 'utf8').trimEnd().split('\n').at(-1)!) as { size: number };
    assert.equal(size, stored().records);

    copyFileSync(join(folder, 'older.db'), join(store, 'claviger.db'));
    const start = (more?: string): Promise<TestServer> => startTestServer({ folder: store, log, config: yaml(more) });
    await assert.rejects(start(), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'STORE_UNAVAILABLE');
      assert.match(
        error.message,
        /^the log was rewritten, by what `elsewhere` has: .*it was cut; to go on .*acceptRewritten: \d+/,
      );
      return true;
    });
    await assert.rejects(start(`, acceptRewritten: ${size - 1}`), { code: 'STORE_UNAVAILABLE' });
    told = [];
    server = await start(`, acceptRewritten: ${size}`);
    assert.match(told.join('\n'), /^warn this log goes on though a copy has another past .*"copy":"elsewhere"/m);
    await work(server, 1);
    await server.stop();
    server = await start();
    await server.stop();
  });

  test('in a new data folder is of another log, and the server does not start', async () => {
    const copy = join(folder, 'elsewhere');
    const config = `audit: { copies: [{ name: elsewhere, kind: file, path: ${copy} }] }`;
    const server = await startTestServer({ folder: store, log, config });
    await work(server, 1);
    await server.stop();
    rmSync(store, { recursive: true });
    await assert.rejects(startTestServer({ folder: store, log, config }), {
      code: 'STORE_UNAVAILABLE',
      message: /ends with what is no checkpoint of this log, .*; if it is of another log, name another file$/,
    });
  });

  test('that cannot be read does not keep the server from its start, and is seen', async () => {
    const config = `audit: { copies: [{ name: elsewhere, kind: file, path: ${join(folder, 'none', 'copy')}, everySeconds: 1 }] }`;
    const server = await startTestServer({ folder: store, log, config });
    try {
      await work(server, 1);
      const health = await until(
        async () => (await healthOf(server))[0]!,
        ({ state }) => state === 'failing',
      );
      assert.match(health.lastError!, /ENOENT/);
      const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token };
      assert.match((await runCli(['doctor'], { env })).stdout, /copy elsewhere +ENOENT/);
    } finally {
      await server.stop();
    }
  });
});

interface RunningWitness extends GoWitness {
  readonly options: Parameters<typeof startGoWitness>[1];
}

/** A store with its log's key, and a witness that knows it. */
async function withWitness(
  t: TestContext,
  run: (go: GoPaths, witness: RunningWitness, logKey: string) => Promise<void>,
  mlDsa = false,
): Promise<void> {
  const go = await requirePeer(t, 'gowitness');
  if (go === null) return;
  const server = await startTestServer({ folder: store, log });
  const logKey = await logKeyOf(server);
  await server.stop();
  const options = { state: join(folder, 'w1'), name: 'witness.example/w1', logKey, mlDsa };
  const witness = await startGoWitness(go, options);
  try {
    await run(go, { ...witness, options }, logKey);
  } finally {
    await witness.stop();
  }
}

async function serverWith(...witnesses: readonly Pick<GoWitness, 'url' | 'key'>[]): Promise<TestServer> {
  const list = witnesses.map(
    ({ url, key }, n) => `    - { name: w${n + 1}, url: "${url}", key: "${key}", everySeconds: 1 }\n`,
  );
  return startTestServer({ folder: store, log, config: `audit:\n  witnesses:\n${list.join('')}` });
}

/** So many operations, each with its record. */
async function work(server: TestServer, operations: number): Promise<void> {
  await Promise.all(Array.from({ length: operations }, () => server.client.generateRandom({ bytes: 1 })));
}

/** `claviger audit verify` over the server, with a witness that must have signed. */
function audited({ endpoint, token }: TestServer, logKey: string, witnessKey: string): Promise<CliRun> {
  const args = ['audit', 'verify', endpoint, '--key', logKey, '--witness', witnessKey, '--no-remember'];
  return runCli(args, { env: { CLAVIGER_TOKEN: token } });
}

async function logKeyOf(server: TestServer): Promise<string> {
  return String((await server.fetch('GET', '/v1/audit/log/key')).body).trim();
}

async function checkpointOf(server: TestServer, cosigned: boolean): Promise<{ status: number; note: string }> {
  const { status, body } = await server.fetch('GET', `/v1/audit/log/checkpoint${cosigned ? '?cosigned=true' : ''}`);
  return { status, note: String(body) };
}

/** A checkpoint over at least so many records that the witnesses have signed. */
async function cosigned(server: TestServer, records: number): Promise<{ note: string; size: number }> {
  const found = await until(
    () => checkpointOf(server, true),
    ({ status, note }) => status === 200 && Number(note.split('\n')[1]) >= records,
  );
  return { note: found.note, size: Number(found.note.split('\n')[1]) };
}

async function healthOf(server: TestServer): Promise<readonly Health[]> {
  const { body } = await server.fetch('GET', '/v1/health');
  return (body as { keepers: readonly Health[] }).keepers;
}

function alarms(): readonly string[] {
  return told.filter((line) => line.startsWith('error') && REWRITTEN.test(line));
}

/** The newest checkpoint in the store of a server that has stopped, and the number of records. */
function stored(): { size: number; note: string; records: number } {
  const db = new DatabaseSync(join(store, 'claviger.db'), { readOnly: true });
  try {
    const sql =
      'SELECT size, note, (SELECT count(*) FROM records) AS records FROM checkpoints ORDER BY size DESC LIMIT 1';
    return db.prepare(sql).get() as { size: number; note: string; records: number };
  } finally {
    db.close();
  }
}

/** `cosignature/v1`, as the specification has it, without any code of ours. */
function checkWithOpenssl(note: string, vkey: string): void {
  const [name = '', keyId = '', ...rest] = vkey.split('+');
  const encoded = Buffer.from(rest.join('+'), 'base64');
  const computed = createHash('sha256').update(`${name}\n`).update(encoded).digest('hex').slice(0, 8);
  assert.deepEqual([encoded[0], computed], [4, keyId]);
  const [text = '', lines = ''] = note.split(/(?<=\n)\n/);
  const line = lines.split('\n').find((one) => one.startsWith(`— ${name} `))!;
  const bytes = Buffer.from(line.split(' ')[2]!, 'base64');
  assert.equal(bytes.subarray(0, 4).toString('hex'), keyId);
  const seconds = bytes.readBigUInt64BE(4);
  assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 60);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), encoded.subarray(1)]);
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  assert.ok(verify(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), key, bytes.subarray(12)));
}

async function until<T>(read: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
  const end = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const value = await read();
    if (done(value)) return value;
    if (Date.now() > end) assert.fail(`still ${JSON.stringify(value)}\n${told.join('\n')}`);
    await setTimeout(50);
  }
}
