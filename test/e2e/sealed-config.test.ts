/**
 * `claviger seal`, `unseal` and `exec`, as people and scripts use them.
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FORMATS, seal, unseal } from '../../src/envelope/sealed/index.ts';
import { Claviger } from '../../src/index.ts';
import { BINARY, runShell, startCli, startCliWorld, type CliWorld } from '../support/cli.ts';

const YAML = '# the database\ndb:\n  host: here # inside\n  password: "hunter2-secret"\nports: [80, 443]\n';

let world: CliWorld;
let env: Record<string, string>;
before(async () => {
  world = await startCliWorld();
  const { client, endpoint, token } = world.server;
  await Promise.all(['config', 'second'].map((alias) => client.createKey({ spec: 'AES-256-GCM', alias })));
  env = { CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token };
});
after(() => world.stop());

function file(name: string, content?: string): string {
  const path = join(world.folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

/** A file of its own for a test, sealed. */
async function sealedFile(name: string, content = YAML): Promise<string> {
  const path = file(name, content);
  await world.ok(['seal', '--key', 'alias:config', '--in-place', path]);
  return path;
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

describe('seal and unseal', { concurrency: 2 }, () => {
  test('a file goes to standard output sealed, and comes back as it was', async () => {
    for (const [name, text] of [
      ['plain.yaml', YAML],
      ['plain.json', '{\r\n  "a": [1.50, true, null, "x"] // why\r\n}\r\n'],
      ['.env.plain', "export A='1' # one\nB=\n"],
    ] as const) {
      const { bytes, code, stderr } = await world.run(['seal', '--key', 'alias:config', file(name, text)]);
      assert.equal(code, 0, stderr);
      assert.match(bytes.toString(), /claviger:v1:/);
      assert.doesNotMatch(bytes.toString(), /hunter2|1\.50|'1'/);
      const sealed = file(`sealed-${name.replace(/^\./, '')}`, bytes.toString());
      const type = name.startsWith('.env') ? ['--type', 'env'] : [];
      assert.equal((await world.run(['unseal', ...type, sealed])).bytes.toString(), text);
    }
  });

  test('standard input needs --type, or a name that tells it', async () => {
    await world.refused(2, /say --type json, yaml or env/, ['seal', '--key', 'alias:config'], { input: 'a: 1' });
    const sealed = await world.ok(['seal', '--key', 'alias:config', '--type', 'env'], { input: 'A=1' });
    assert.equal(await world.ok(['unseal', '--type', 'env'], { input: `${sealed}\n` }), 'A=1');
    await world.ok(['seal', '--key', 'alias:config', '-o', file('from-stdin.env')], { input: 'A=1' });
    assert.match(read(file('from-stdin.env')), /^A=claviger/);
  });

  test('onto a sealed file changes what was changed, and nothing else', async () => {
    const [plain, sealed] = [file('twice.yaml', YAML), file('twice.sealed.yaml')];
    await world.ok(['seal', '--key', 'alias:config', plain, '-o', sealed]);
    const first = read(sealed).split('\n');
    file('twice.yaml', YAML.replace('443', '8443'));
    const { stderr } = await world.run(['seal', plain, '-o', sealed]);
    assert.match(stderr, /1 value sealed, 3 as they were; opens with arn:/);
    const changed = read(sealed)
      .split('\n')
      .filter((line) => !first.includes(line));
    assert.equal(changed.length, 2);
    assert.match(changed[0]!, /^ports:/);
    assert.match(changed[1]!, /^# claviger: mac/);
  });

  test('several files are sealed in place, all or none, and keep their modes', async () => {
    const [one, two, bad] = [file('one.yaml', YAML), file('two.json', '{"a": 1}'), file('bad.env', 'hunter2-secret\n')];
    chmodSync(one, 0o640);
    const { stderr } = await world.refused(1, /`.*bad\.env`: line 1, column 1: neither/, [
      'seal',
      '--key',
      'alias:config',
      '--in-place',
      one,
      two,
      bad,
    ]);
    assert.doesNotMatch(stderr, /hunter2/);
    assert.equal(read(one), YAML);
    await world.ok(['seal', '--key', 'alias:config', '--in-place', one, two]);
    assert.equal(statSync(one).mode & 0o777, 0o640);
    assert.match(read(two), /"_claviger"/);
    await world.ok(['unseal', '--in-place', one, two]);
    assert.equal(read(one), YAML);
    assert.equal(statSync(one).mode & 0o777, 0o600);
    assert.deepEqual(
      readdirSync(world.folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  test('a plaintext file is for its owner only', async () => {
    const sealed = await sealedFile('owner.yaml');
    await world.ok(['unseal', sealed, '-o', file('owner.plain.yaml')]);
    assert.equal(statSync(file('owner.plain.yaml')).mode & 0o777, 0o600);
    const shared = file('shared.plain.yaml', 'longer than what comes\n'.repeat(100));
    chmodSync(shared, 0o666);
    await world.ok(['unseal', sealed, '-o', shared]);
    assert.equal(read(shared), YAML);
    assert.equal(statSync(shared).mode & 0o777, 0o600);
  });

  test('what a hostile file has in its keys does not reach the terminal as it is', async () => {
    const hostile = file('hostile.json', '{"\\u001b]0;x\\u0007": 1, "\\u001b]0;x\\u0007": 2}');
    const { code, stderr } = await world.run(['unseal', '--textconv', hostile]);
    assert.equal(code, 0);
    assert.match(stderr, /the key `\?]0;x\?` is there twice/);
  });

  test('keys are added and replaced', async () => {
    const sealed = await sealedFile('keys.yaml');
    const added = await world.json(['seal', '--key', 'alias:second', '--in-place', sealed]);
    assert.deepEqual([added.fresh, added.kept, added.keys.length], [0, 4, 2]);
    const replaced = await world.json(['seal', '--rekey', '--key', 'alias:second', '--in-place', sealed]);
    assert.deepEqual([replaced.fresh, replaced.kept, replaced.keys], [4, 0, [added.keys[1]]]);
    assert.equal(`${await world.ok(['unseal', sealed])}\n`, YAML);
  });

  test('a link is not replaced', async () => {
    const target = file('target.yaml', YAML);
    symlinkSync(target, file('link.yaml'));
    await world.refused(1, /symbolic link: name the file/, [
      'seal',
      '--key',
      'alias:config',
      '--in-place',
      file('link.yaml'),
    ]);
    await world.refused(1, /symbolic link/, ['seal', '--key', 'alias:config', target, '-o', file('link.yaml')]);
    assert.equal(read(target), YAML);
  });

  test('what cannot be meant is refused with exit code 2', async () => {
    const plain = file('usage.yaml', YAML);
    for (const [args, message] of [
      [['seal', plain], /name a key that is to open the file: --key/],
      [['seal', '--key', 'alias:config', plain, plain], /several files are sealed with --in-place/],
      [['seal', '--key', 'alias:config', '--in-place'], /name them/],
      [['seal', '--key', 'alias:config', '--in-place', plain, '-o', 'x.yaml'], /either --in-place or -o/],
      [['seal', '--key', 'alias:config', file('no-ending', 'a: 1')], /cannot be told from its name/],
      [['seal', '--key', 'alias:config', plain, '-o', file('plain-there.yaml', YAML)], /is there and is not sealed/],
      [['unseal', plain, plain], /several files/],
      [['unseal', '--in-place', plain, '-o', 'x.yaml'], /no -o/],
    ] as const) {
      await world.refused(2, message, args);
    }
  });

  test('what is refused otherwise has the exit code of its reason', async () => {
    const sealed = await sealedFile('refused.yaml');
    const changed = file('changed.yaml', read(sealed).replace('# the database', '# a database'));
    await world.refused(3, /changed\.yaml`: the file was changed since it was sealed/, ['unseal', changed]);
    await world.refused(3, /changed since it was sealed/, ['exec', '--file', changed, '--', 'true']);
    await world.refused(3, /changed since it was sealed/, ['seal', '--in-place', changed]);
    await world.refused(1, /not sealed: `claviger seal` does it/, ['unseal', file('not-sealed.yaml', YAML)]);
    await world.refused(1, /no UTF-8 text/, ['seal', '--key', 'alias:config', file('binary.env', '\0')]);
    await world.refused(1, /there is no such file/, ['unseal', 'nowhere.yaml']);
    await world.refused(4, /none|not open|does not exist/, [
      'seal',
      '--key',
      'alias:nobody',
      file('nobody.yaml', YAML),
    ]);
    await world.refused(1, /context of the file has no `stage`/, ['unseal', '--context', 'stage=prod', sealed]);
    await world.refused(6, /refused\.yaml/, ['unseal', sealed], { env: { CLAVIGER_ENDPOINT: 'http://127.0.0.1:9' } });
  });

  test('who may not decrypt is told so, with the key', async () => {
    const sealed = await sealedFile('denied.yaml');
    const { token } = await world.server.client.createToken({ name: 'auditor', roles: ['auditor'] });
    await world.refused(5, /the key of the file does not open it\n.*arn:aws:kms/, ['unseal', sealed], {
      env: { CLAVIGER_TOKEN: token! },
    });
  });

  test('the log says which file was opened', async () => {
    const sealed = await sealedFile('logged.yaml');
    await world.ok(['unseal', sealed]);
    const [, id] = /^# claviger: file (.*)$/m.exec(read(sealed))!;
    const { records } = await world.json(['audit', 'list', '--limit', '50']);
    const operations = (records as { operation: string; context?: Record<string, string> }[])
      .filter(({ context }) => context?.['claviger-file'] === id)
      .map(({ operation }) => operation);
    assert.deepEqual(operations.toSorted(), ['Decrypt', 'GenerateDataKey']);
  });

  test('a check tells what is not sealed, with exit code 1 and without a server', async () => {
    const sealed = await sealedFile('checked.yaml');
    const nobody = { env: { CLAVIGER_ENDPOINT: '', CLAVIGER_TOKEN: '' } };
    assert.equal(await world.ok(['seal', '--check', sealed], nobody), '');
    writeFileSync(sealed, read(sealed).replace('ports:', 'extra: hunter3-secret\nports:'));
    const { code, stdout, stderr } = await world.run(
      ['seal', '--check', sealed, file('unchecked.json', '{"a":1}')],
      nobody,
    );
    assert.equal(code, 1);
    assert.equal(stdout, `${sealed}: extra\n${file('unchecked.json')}: not sealed\n`);
    assert.match(stderr, /claviger seal --in-place --accept-changes/);
    await world.ok(['seal', '--in-place', '--accept-changes', sealed]);
    assert.doesNotMatch(read(sealed), /hunter3/);
  });

  test('a program opens a file by itself, over REST or with the service in its own process', async () => {
    const { client } = world.server;
    const text = read(await sealedFile('library.yaml'));
    assert.equal((await unseal(client, text, { format: FORMATS.yaml })).text, YAML);

    await using own = await Claviger.open({
      folder: join(world.folder, 'own'),
      principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
    });
    const { id } = await own.createKey({ spec: 'AES-256-GCM' });
    const made = await seal(own, YAML, { format: FORMATS.yaml, keys: [id] });
    assert.equal((await seal(own, made.text, { format: FORMATS.yaml, keys: [id] })).text, made.text);
    assert.equal((await unseal(own, made.text, { format: FORMATS.yaml })).text, YAML);
    await assert.rejects(unseal(client, made.text, { format: FORMATS.yaml }), { code: 'KEY_NOT_FOUND' });
  });

  test('what two branches changed is merged, and sealed again', async () => {
    const path = await sealedFile('merged.yaml', 'a: 1\nb: 2\nc: 3\nd: 4\n');
    const line = `set -e
git init -q merging && cd merging && git config user.name x && git config user.email x@example.com
cp '${path}' c.yaml; git add . && git commit -qm first && git branch other
EDITOR="sed -i s/1/7/" '${process.execPath}' '${BINARY}' edit c.yaml; git commit -qam one
git checkout -q other
EDITOR="sed -i s/4/8/" '${process.execPath}' '${BINARY}' edit c.yaml; git commit -qam two
{ git merge -q master -X ours || git merge -q main -X ours; } > merge.log
'${process.execPath}' '${BINARY}' unseal c.yaml && exit 99
'${process.execPath}' '${BINARY}' seal --accept-changes --in-place c.yaml
'${process.execPath}' '${BINARY}' unseal c.yaml`;
    const { code, stdout, stderr } = await runShell(line, { cwd: world.folder, env });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'a: 7\nb: 2\nc: 3\nd: 8\n');
  });

  test('git shows what was changed within', async () => {
    const sealed = await sealedFile('in-git.yaml');
    const line = `set -e
git init -q repository && cd repository && git config user.name x && git config user.email x@example.com
git config diff.claviger.textconv "'${process.execPath}' '${BINARY}' unseal --textconv"
echo '*.yaml diff=claviger' > .gitattributes
cp '${file('unsealed-before.yaml', 'a: 1\n')}' plain.yaml; cp '${sealed}' config.yaml; git add . && git commit -qm first
EDITOR="sed -i s/hunter2/hunter3/" '${process.execPath}' '${BINARY}' edit config.yaml
echo 'b: 2' >> plain.yaml
git diff`;
    const { code, stdout, stderr } = await runShell(line, { cwd: world.folder, env });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^- {2}password: "hunter2-secret"\n\+ {2}password: "hunter3-secret"$/m);
    assert.match(stdout, /^\+b: 2$/m);
    assert.doesNotMatch(stdout, /claviger:v1/);
  });
});

describe('exec', { concurrency: 2 }, () => {
  const SHOW = 'const { PATH, HOME, NODE_COMPILE_CACHE, ...env } = process.env; console.log(JSON.stringify(env))';

  async function shown(args: readonly string[], more: Record<string, string> = {}): Promise<Record<string, string>> {
    const out = await world.ok(['exec', ...args, '--', process.execPath, '-e', SHOW], { env: more });
    return JSON.parse(out) as Record<string, string>;
  }

  test('gives values as variables, over those that are there, and no token', async () => {
    const sealed = await sealedFile('exec.yaml');
    const { CLAVIGER_ENDPOINT, ...seen } = await shown(['--file', sealed], { DB_HOST: 'there', OTHER: 'x' });
    assert.equal(CLAVIGER_ENDPOINT, world.server.endpoint);
    assert.deepEqual(seen, {
      DB_HOST: 'here',
      DB_PASSWORD: 'hunter2-secret',
      OTHER: 'x',
      PORTS_0: '80',
      PORTS_1: '443',
    });
  });

  test('gives several files, chosen values, and the token where it is asked for', async () => {
    const [one, two] = [await sealedFile('exec-1.yaml'), await sealedFile('exec-2.env', 'TOKEN=t\n')];
    const seen = await shown(['--file', one, '--file', two, '--except', 'ports|host', '--keep-token']);
    assert.deepEqual(Object.keys(seen).toSorted(), ['CLAVIGER_ENDPOINT', 'CLAVIGER_TOKEN', 'DB_PASSWORD', 'TOKEN']);
    await world.refused(1, /another file has the variable `DB_HOST`/, [
      'exec',
      '--file',
      one,
      '--file',
      one,
      '--',
      'true',
    ]);
  });

  test('passes streams and the exit code on', async () => {
    const sealed = await sealedFile('exec-streams.yaml');
    const { code, stdout, stderr } = await world.run(
      ['exec', '--file', sealed, '--', 'sh', '-c', 'cat; echo err >&2; exit 47'],
      { input: 'to the program' },
    );
    assert.deepEqual([code, stdout, stderr], [47, 'to the program', 'err\n']);
  });

  test('passes signals on, and tells which ended the program', async () => {
    const sealed = await sealedFile('exec-signals.yaml');
    const options = { env, cwd: world.folder };
    const polite = startCli(
      [
        'exec',
        '--file',
        sealed,
        '--',
        'bash',
        '-c',
        "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done",
      ],
      options,
    );
    await polite.shown('ready');
    assert.equal(await polite.stop('SIGTERM'), 5);
    assert.match(polite.stdout(), /got/);
    const other = startCli(
      ['exec', '--file', sealed, '--', process.execPath, '-e', "console.log('ready'); setTimeout(() => {}, 30_000)"],
      options,
    );
    await other.shown('ready');
    assert.equal(await other.stop('SIGINT'), 130);
  });

  test('runs nothing where a file does not open, and no program that is not there', async () => {
    const sealed = await sealedFile('exec-not.yaml');
    const changed = file('exec-changed.yaml', read(sealed).replace('inside', 'outside'));
    await world.refused(3, /changed/, ['exec', '--file', changed, '--', 'touch', file('touched')]);
    assert.ok(!existsSync(file('touched')));
    await world.refused(127, /there is no such program/, ['exec', '--file', sealed, '--', 'no-such-program-at-all']);
    await world.refused(126, /cannot run/, ['exec', '--file', sealed, '--', world.folder]);
    await world.refused(2, /name a sealed file/, ['exec', '--', 'true']);
  });

  test('says what to do where values are more than a program may get', async () => {
    const sealed = await sealedFile('exec-large.env', `SMALL=1\nLARGE=${'x'.repeat(200_000)}\n`);
    await world.refused(1, /leave some out with --only/, ['exec', '--file', sealed, '--', 'true']);
    await world.ok(['exec', '--file', sealed, '--only', 'SMALL', '--', 'true']);
  });
});
