import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test, type TestContext } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { runCli, runShell, startCli, type RunningCli } from '../support/cli.ts';
import { newCosigner } from '../support/cosigner.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const DEV_ENV = { CLAVIGER_PORT: '0' };

function folderFor(t: TestContext): string {
  const folder = testFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

/** Starts `claviger dev` in a folder and waits until it says what to type. */
async function startDev(folder: string, env: Record<string, string> = {}): Promise<RunningCli> {
  const running = startCli(['dev'], { cwd: folder, env: { ...DEV_ENV, ...env } });
  await running.shown('Ctrl-C stops the server.');
  return running;
}

/** The lines under `Type next`. */
function nextCommands(output: string): readonly string[] {
  const [, next = ''] = output.split(/Type next.*\n\n/);
  return next
    .split('\n\n')[0]!
    .split('\n')
    .map((line) => line.trim());
}

describe('dev', { concurrency: 2 }, () => {
  test('what it says to type works as it is printed, at the first start and at the second', async (t) => {
    const folder = folderFor(t);
    const curl = await requirePeer(t, 'curl');
    const python = await requirePeer(t, 'python');
    if (curl === null || python === null) return;
    const PATH = [dirname(python.aws), dirname(process.execPath), process.env['PATH']].join(delimiter);
    const run = async (line: string): Promise<string> => {
      const { code, stdout, stderr } = await runShell(line, { cwd: folder, env: { PATH } });
      assert.equal(code, 0, `${line}\n${stderr}`);
      return stdout;
    };

    const first = await startDev(folder);
    assert.match(first.stdout(), /FOR DEVELOPMENT ONLY/);
    for (const file of ['root.key', 'dev-credentials.json'])
      assert.ok(first.stdout().includes(join(folder, 'claviger-data', file)));
    const [create, aws, rest] = nextCommands(first.stdout());
    assert.match(create!, /claviger.* keys create --spec AES-256-GCM --alias my-first-key$/);
    assert.match(await run(create!), /my-first-key/);
    assert.equal(typeof JSON.parse(await run(aws!)).CiphertextBlob, 'string');
    assert.equal(typeof JSON.parse(await run(rest!)).ciphertext, 'string');
    assert.equal(await first.stop('SIGINT'), 0);

    const second = await startDev(folder);
    const [encrypt, ...others] = nextCommands(second.stdout());
    assert.match(await run(encrypt!), /^wQEB/);
    for (const line of others) JSON.parse(await run(line));
    const stopped = await run(
      `${encrypt!.replace(/ --base64$/, '')} | ${encrypt!.split('| ')[1]!.split(' encrypt ')[0]} decrypt`,
    );
    assert.equal(stopped, 'hello\n');
    assert.equal(await second.stop('SIGTERM'), 0);
  });

  test('a second process on its store is told where the first answers; both signals stop it', async (t) => {
    const folder = folderFor(t);
    const first = await startDev(folder);
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(first.stdout())!;
    const { code, stderr, stdout } = await runCli(['dev'], { cwd: folder, env: DEV_ENV });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.ok(stderr.includes(`in use by another process (pid ${first.child.pid}, ${url})`), stderr);
    assert.equal(stderr.trimEnd().split('\n').length, 1);
    const answer = await fetch(`${url}/readyz`);
    assert.equal(await answer.text(), 'ready');
    // A terminal's signal comes twice where a launcher passes it on as well; that is one.
    first.child.kill('SIGTERM');
    assert.equal(await first.stop('SIGTERM'), 0);
    assert.match(first.stderr(), /^stopping/);
    assert.equal(existsSync(join(folder, 'claviger-data', 'owner.json')), false);
  });

  test('it says how to reach it where a profile or the environment names another server', async (t) => {
    const folder = folderFor(t);
    const data = join(folder, 'my data');
    const env = { CLAVIGER_DATA_DIR: data, CLAVIGER_ENDPOINT: 'https://kms.example.com', CLAVIGER_TOKEN: 'clv_x' };
    const dev = await startDev(folder, env);
    const [create] = nextCommands(dev.stdout());
    assert.match(create!, /^CLAVIGER_DATA_DIR='.*my data' .*--profile dev keys create/);
    const { CLAVIGER_DATA_DIR: _, ...elsewhere } = env;
    const { code, stderr } = await runShell(create!, { cwd: folder, env: elsewhere });
    assert.equal(code, 0, stderr);
    assert.equal(await dev.stop(), 0);
  });

  test('a second signal ends it at once, also while a request is under way', async (t) => {
    const folder = folderFor(t);
    const dev = await startDev(folder);
    const { port } = new URL(/http:\/\/\S+/.exec(dev.stdout())![0]);
    // A request whose body never ends holds a graceful stop.
    const slow = spawn('bash', [
      '-c',
      `exec 3<>/dev/tcp/127.0.0.1/${port}; printf 'POST /v1/random HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 9\\r\\n\\r\\n{' >&3; sleep 20`,
    ]);
    t.after(() => slow.kill());
    await new Promise((resolve) => setTimeout(resolve, 300));
    const end = dev.stop('SIGINT');
    await dev.shown('stopping');
    await new Promise((resolve) => setTimeout(resolve, 500));
    dev.child.kill('SIGINT');
    assert.equal(await end, 130);
  });

  test('a port that is taken, or is none, is one clear message', async (t) => {
    const folder = folderFor(t);
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    t.after(() => holder.close());
    const { port } = holder.address() as AddressInfo;
    const taken = await runCli(['dev'], { cwd: folder, env: { CLAVIGER_PORT: String(port) } });
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, new RegExp(`^claviger: cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE.*\\n$`));
    const none = await runCli(['dev'], { cwd: folder, env: { CLAVIGER_PORT: '70000' } });
    assert.equal(none.code, 2);
    assert.match(none.stderr, /CLAVIGER_PORT is `70000`; it must be a number from 0 to 65535/);
  });

  test('a store of a newer release is not touched', async (t) => {
    const folder = folderFor(t);
    const dev = await startDev(folder);
    await dev.stop();
    const db = new DatabaseSync(join(folder, 'claviger-data', 'claviger.db'));
    db.exec('PRAGMA user_version = 9999');
    db.close();
    const { code, stderr } = await runCli(['dev'], { cwd: folder, env: DEV_ENV });
    assert.equal(code, 1);
    assert.match(stderr, /has schema version 9999, .*written by a newer release, start that one\n$/);
  });
});

describe('serve', { concurrency: 2 }, () => {
  let folder: string;
  before(() => {
    folder = testFolder();
  });
  after(() => removeFolder(folder));
  const config = (name: string, yaml: string): string => {
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, yaml);
    return file;
  };

  test('it does not start without a seal, and says what to write', async () => {
    const { code, stderr } = await runCli(['serve'], { cwd: folder });
    assert.equal(code, 1);
    assert.match(stderr, /set `seal` in the configuration[^]*kind: passphrase/);
  });

  test('it does not listen on a network without TLS, unless that is said in as many words', async () => {
    const file = config(
      'open',
      `listen: { address: 0.0.0.0, port: 0 }\nstore: { folder: open }\nseal: { kind: file, path: open.key }\n`,
    );
    const { code, stderr } = await runCli(['serve', '--config', file], { cwd: folder });
    assert.equal(code, 1);
    assert.match(stderr, /0\.0\.0\.0 is not a loopback address, .*--insecure-http/);
    const checked = await runCli(['config', 'check', '--config', file], { cwd: folder });
    assert.match(checked.stdout, /tls +off.*--insecure-http/);
    const running = startCli(['serve', '--config', file, '--insecure-http'], { cwd: folder });
    await running.shown('"message":"listening"');
    assert.equal(await running.stop(), 0);
  });

  test('the first credentials are shown once, the log is JSON lines, and a signal stops it gracefully', async () => {
    const file = config('good', `listen: { port: 0 }\nstore: { folder: good }\nseal: { kind: file, path: good.key }\n`);
    const first = startCli(['serve', '--json'], { cwd: folder, env: { CLAVIGER_CONFIG: file } });
    await first.shown('awsSecretAccessKey');
    const { endpoint, token } = JSON.parse(first.stdout());
    const CLAVIGER = { CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token };
    const listed = await runCli(['token', 'list'], { cwd: folder, env: CLAVIGER });
    assert.match(listed.stdout, /first security officer/);
    assert.equal(await first.stop('SIGTERM'), 0);
    const lines = first
      .stderr()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([lines.at(0).message, lines.at(-1).message], ['listening', 'stopping']);

    const second = startCli(['serve', '--config', file], { cwd: folder });
    await second.shown('"message":"listening"');
    assert.equal(await second.stop('SIGINT'), 0);
    assert.equal(second.stdout(), '');
  });

  test('config check tells what a configuration comes to, without its secrets', async () => {
    const file = config(
      'secret',
      'seal: { kind: passphrase, path: w.key, passphrase: "${PASS}" }\ntenants: [{ name: shop }]\n',
    );
    const env = { PASS: 'correct horse battery' };
    for (const json of [[], ['--json']]) {
      const { code, stdout } = await runCli(['config', 'check', '--config', file, ...json], { cwd: folder, env });
      assert.equal(code, 0);
      assert.match(stdout, /shop/);
      assert.doesNotMatch(stdout, /horse/);
    }
  });

  test('config check tells what keeps the log honest', async () => {
    const cosigner = newCosigner('witness.example/north');
    const file = config(
      'kept',
      `audit: { origin: kms.example.com/audit, retentionDays: 400, witnesses: [{ name: north, url: "https://north.example/", key: "${cosigner.key}" }],
        copies: [{ name: usb, kind: file, path: /mnt/usb/checkpoints.jsonl }] }\n`,
    );
    const { stdout } = await runCli(['config', 'check', '--config', file], { cwd: folder });
    assert.match(stdout, /^audit +signed as kms\.example\.com\/audit, redactable after 400 days, /mu);
    assert.match(stdout, /^witnesses +north \(1 make a checkpoint a cosigned one\)$/mu);
    assert.match(stdout, /^copies +usb \(file\)$/mu);
  });

  test('config check names each mistake', async () => {
    const file = config('wrong', 'listen: { port: 99999 }\nstorage: {}\n');
    const { code, stderr } = await runCli(['config', 'check', '--config', file], { cwd: folder });
    assert.equal(code, 1);
    assert.match(stderr, /`listen\.port`[^]*there is no `storage`; there are region, listen/);
  });
});
