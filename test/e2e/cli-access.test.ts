import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { runCli, startCliWorld, type CliRun, type CliWorld } from '../support/cli.ts';

/** A port that nobody listens on, and that fetch does not refuse by itself. */
const NOWHERE = 'http://127.0.0.1:3';

let world: CliWorld;
let keyId: string;
before(async () => {
  world = await startCliWorld();
  keyId = (await world.server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' })).id;
});
after(() => world.stop());

describe('tokens and tenants', { concurrency: 2 }, () => {
  test('the secret of a new token is all that goes to standard output, and it works until it is revoked', async () => {
    const made = await world.run([
      'token',
      'create',
      '--name',
      'checkout',
      '--role',
      'crypto-user',
      '--expires',
      '90d',
    ]);
    assert.match(made.stdout, /^clv_\S+\n$/);
    const [, id] = /token +(\S+)/.exec(made.stderr) ?? [];
    const CLAVIGER_TOKEN = made.stdout.trim();
    await world.ok(['encrypt', '--key', 'alias:orders'], { env: { CLAVIGER_TOKEN }, input: 'x' });
    const denied = await world.refused(5, /may not CreateKey/, ['keys', 'create', '--spec', 'P-256'], {
      env: { CLAVIGER_TOKEN },
    });
    assert.match(denied.stderr, /claviger policy explain/);
    assert.match(await world.ok(['token', 'list']), new RegExp(`${id} +checkout +token +crypto-user .* valid`));
    assert.match(await world.ok(['token', 'revoke', id!]), /state +revoked/);
    await world.refused(5, /claviger login/, ['random', '1'], { env: { CLAVIGER_TOKEN } });
  });

  test('an AWS access key pair comes as two variables, which the AWS CLI takes', async (t) => {
    const made = await world.ok(['token', 'create', '--name', 'app', '--role', 'crypto-user', '--aws']);
    const env = Object.fromEntries(made.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
    assert.deepEqual(Object.keys(env), ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const { endpoint, region } = world.server;
    const args = ['kms', 'generate-random', '--number-of-bytes', '1', '--endpoint-url', endpoint, '--region', region];
    await mustRun(python.aws, args, { env });
  });

  test('a wrong role or time is told before anything is sent', async () => {
    await world.refused(2, /Allowed choices are security-officer/, [
      'token',
      'create',
      '--name',
      'x',
      '--role',
      'king',
    ]);
    const wrong = ['token', 'create', '--name', 'x', '--role', 'auditor', '--expires', 'soon'];
    await world.refused(2, /2026-01-31T12:00:00Z, or 30m/, wrong);
  });

  test('a tenant is made with its first token', async () => {
    const made = await world.run(['tenant', 'create', 'payments', '--account-id', '123456789012']);
    const CLAVIGER_TOKEN = made.stdout.trim();
    assert.deepEqual((await world.json(['keys', 'list'], { env: { CLAVIGER_TOKEN } })).keys, []);
    assert.match(await world.ok(['tenant', 'list']), /payments +123456789012/);
    await world.refused(1, /exists already/, ['tenant', 'create', 'payments']);
  });
});

describe('policies and the log', { concurrency: 2 }, () => {
  test('a policy is set, shown, explained and cleared', async () => {
    const { id } = await world.server.client.createKey({ spec: 'AES-256-GCM' });
    const cedar = '@id("shops")\nforbid(principal, action == Claviger::Action::"Decrypt", resource);\n';
    assert.match((await world.run(['policy', 'get', id])).stderr, /no policy of its own/);
    await world.ok(['policy', 'set', id], { input: cedar });
    assert.equal(`${await world.ok(['policy', 'get', id])}\n`, cedar);
    const words = await world.ok([
      'policy',
      'explain',
      'decrypt',
      '--key',
      id,
      '--context',
      'a=b',
      '--source',
      '10.0.0.1',
    ]);
    assert.match(words, /decision +DENIED[^]*because\n +- .*shops/);
    assert.equal((await world.json(['policy', 'explain', 'Encrypt', '--key', id])).allowed, true);
    await world.ok(['policy', 'clear', id]);
    assert.match(await world.ok(['policy', 'explain', 'Decrypt', '--key', id]), /ALLOWED/);
  });

  test('a policy that is wrong is refused, and an action that is none as well', async () => {
    await world.refused(1, /polic/i, ['policy', 'set', keyId], { input: 'permit(principal, action, resource);' });
    await world.refused(2, /policy clear/, ['policy', 'set', keyId], { input: ' \n' });
    await world.refused(2, /there are Encrypt, /, ['policy', 'explain', 'Fly']);
  });

  test('the log is shown as a table, as a page and as lines', async () => {
    await world.refused(4, /does not exist/, ['keys', 'describe', 'alias:audited']);
    const search = ['audit', 'list', '--outcome', 'KEY_NOT_FOUND', '--operation', 'DescribeKey', '--since', '1h'];
    assert.match(await world.ok(search), /INDEX .*\n\d+ .* DescribeKey +KEY_NOT_FOUND/);
    assert.equal((await world.json([...search, '--limit', '1'])).records[0].outcome, 'KEY_NOT_FOUND');
    const lines = (await world.ok(['audit', 'list', '--all', '--limit', '7', '--json'])).split('\n');
    assert.ok(lines.length > 7);
    assert.equal(new Set(lines.map((line) => JSON.parse(line).index)).size, lines.length);
    assert.match((await world.run(['audit', 'list', '--outcome', 'INTERNAL'])).stderr, /no record is like that/);
  });
});

describe('which server, and with which token', { concurrency: 2 }, () => {
  const home = (name: string): string => {
    const folder = join(world.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  const at = (folder: string, args: readonly string[], env: Record<string, string> = {}, input = ''): Promise<CliRun> =>
    runCli(args, { cwd: folder, env: { XDG_CONFIG_HOME: join(folder, 'config'), ...env }, input });

  test('a login is kept for its owner only, used, and forgotten by logout', async () => {
    const folder = home('login');
    const { endpoint, token } = world.server;
    const login = await at(folder, ['login', '--endpoint', `${endpoint}/`], {}, `${token}\n`);
    assert.equal(login.code, 0, login.stderr);
    const file = join(folder, 'config', 'claviger', 'profiles.json');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { profiles: { default: { endpoint, token } } });
    assert.equal((await at(folder, ['keys', 'list'])).code, 0);
    assert.equal((await at(folder, ['logout'])).code, 0);
    const gone = await at(folder, ['keys', 'list']);
    assert.equal(gone.code, 2);
    assert.match(gone.stderr, /start one with `claviger dev`, run `claviger login`, or set CLAVIGER_ENDPOINT/);
  });

  test('a token that the server does not take is not kept', async () => {
    const folder = home('no-login');
    const { endpoint } = world.server;
    const refused = await at(folder, ['login', '--endpoint', endpoint], {}, 'clv_wrong');
    assert.equal(refused.code, 5);
    assert.equal(existsSync(join(folder, 'config')), false);
    assert.equal((await at(folder, ['login', '--endpoint', endpoint], {}, ' ')).code, 1);
    assert.equal((await at(folder, ['login', '--profile', 'dev', '--endpoint', endpoint], {}, 'x')).code, 2);
    assert.equal((await at(folder, ['login'], {}, 'x')).code, 2);
  });

  test('a token of few rights is a login all the same', async () => {
    const folder = home('few-rights');
    const { token } = await world.server.client.createToken({ name: 'approver', roles: ['approver'] });
    const ran = await at(folder, ['login', '--profile', 'few', '--endpoint', world.server.endpoint], {}, token);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal((await at(folder, ['keys', 'list', '--profile', 'few'])).code, 0);
    assert.equal((await at(folder, ['keys', 'list'], { CLAVIGER_PROFILE: 'few' })).code, 0);
    assert.match(
      (await at(folder, ['keys', 'list', '--profile', 'none'])).stderr,
      /there are few; run `claviger login/,
    );
  });

  test('flags come before the environment, that before a profile, that before the development server', async () => {
    const folder = home('precedence');
    const { endpoint, token } = world.server;
    const profiles = { profiles: { default: { endpoint: NOWHERE, token: 'clv_x' }, good: { endpoint, token } } };
    mkdirSync(join(folder, 'config', 'claviger'), { recursive: true });
    writeFileSync(join(folder, 'config', 'claviger', 'profiles.json'), JSON.stringify(profiles));
    mkdirSync(join(folder, 'claviger-data'));
    writeFileSync(join(folder, 'claviger-data', 'dev-credentials.json'), JSON.stringify({ endpoint, token }));
    const reaches = async (args: readonly string[], env: Record<string, string> = {}): Promise<boolean> => {
      const { code, stderr } = await at(folder, ['keys', 'list', ...args], env);
      assert.ok(code === 0 || code === 6, stderr);
      return code === 0;
    };
    const broken = { CLAVIGER_ENDPOINT: NOWHERE, CLAVIGER_TOKEN: 'clv_x' };
    assert.equal(await reaches([]), false, 'the profile `default`');
    assert.equal(await reaches(['--profile', 'dev']), true);
    assert.equal(await reaches(['--profile', 'good'], broken), true);
    assert.equal(await reaches([], { CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token }), true);
    assert.equal(await reaches([], { CLAVIGER_PROFILE: 'good' }), true);
    assert.equal(await reaches([], { CLAVIGER_PROFILE: 'good', CLAVIGER_TOKEN: token }), true);
    assert.equal(await reaches(['--endpoint', endpoint]), true, 'the profile of that endpoint');
  });

  test('a token is not sent to an endpoint that it does not belong to', async () => {
    const folder = home('elsewhere');
    mkdirSync(join(folder, 'claviger-data'));
    const file = join(folder, 'claviger-data', 'dev-credentials.json');
    const { endpoint, token } = world.server;
    writeFileSync(file, JSON.stringify({ endpoint, token }));
    assert.equal((await at(folder, ['keys', 'list'])).code, 0, 'it just works');
    const other = await at(folder, ['keys', 'list'], { CLAVIGER_ENDPOINT: 'https://kms.example.com' });
    assert.equal(other.code, 2);
    assert.match(other.stderr, /no token is known for https:\/\/kms\.example\.com/);
    const both = { CLAVIGER_ENDPOINT: 'https://kms.example.com', CLAVIGER_PROFILE: 'dev' };
    assert.match((await at(folder, ['keys', 'list'], both)).stderr, /no token is known/);
    writeFileSync(file, JSON.stringify({ endpoint: 'https://kms.example.com', token }));
    assert.match((await at(folder, ['keys', 'list'])).stderr, /is not on this machine/);
    assert.match(
      (await at(folder, ['keys', 'list'], { CLAVIGER_TOKEN: 'a\nb', CLAVIGER_ENDPOINT: endpoint })).stderr,
      /copy it again/,
    );
    assert.match((await at(folder, ['keys', 'list', '--endpoint', 'kms'])).stderr, /is not an endpoint/);
  });
});

describe('doctor', { concurrency: 2 }, () => {
  test('with a server that is well, all is ok', async () => {
    const { status, checks } = await world.json(['doctor']);
    assert.equal(status, 'ok');
    const levels = Object.fromEntries(checks.map(({ name, level }: Record<string, string>) => [name, level]));
    for (const name of ['node', 'endpoint', 'reachable', 'ready', 'clock', 'token', 'health']) {
      assert.equal(levels[name], 'ok', name);
    }
  });

  test('what is wrong is told, each with what to do', async () => {
    const wrongToken = await world.run(['doctor'], { env: { CLAVIGER_TOKEN: 'clv_x' } });
    assert.equal(wrongToken.code, 1);
    assert.match(wrongToken.stdout, /fail +token[^]*→ replace the token from the environment/);
    const nobody = await world.run(['doctor'], { env: { CLAVIGER_ENDPOINT: NOWHERE } });
    assert.match(nobody.stdout, /fail +reachable .*ECONNREFUSED\n +→ start the server/);
    const noCredentials = await runCli(['doctor'], { cwd: world.folder });
    assert.match(noCredentials.stdout, /fail +credentials +no server is known here/);
  });

  test('a clock that is far off is a failure', async () => {
    const past = (): string => new Date(Date.now() - 600_000).toUTCString();
    const server = createServer((_request, response) => response.writeHead(200, { date: past() }).end('ready'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { stdout } = await world.run(['doctor'], { env: { CLAVIGER_ENDPOINT: `http://127.0.0.1:${port}` } });
    server.close();
    assert.match(stdout, /fail +clock +(599|600|601) s apart/);
  });

  test('a root key that others can read is a failure, told with the command that mends it', async () => {
    const file = join(world.server.folder, 'root.key');
    chmodSync(file, 0o644);
    const { code, stdout } = await world.run(['doctor'], { env: { CLAVIGER_DATA_DIR: world.server.folder } });
    chmodSync(file, 0o600);
    assert.equal(code, 1);
    assert.match(stdout, /fail +root key .*mode 0644: others can reach it\n +→ chmod 600/);
  });
});

test('a server that is not there is exit code 6, with what to do', async () => {
  await world.refused(6, /cannot reach http:\/\/127\.0\.0\.1:3: ECONNREFUSED\n.*claviger doctor/, ['random', '1'], {
    env: { CLAVIGER_ENDPOINT: NOWHERE },
  });
});
