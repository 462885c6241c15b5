/** `claviger hsm` on SoftHSM: ceremonies, acceptance and measurement, as an operator runs them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { runCli, type CliRun } from '../support/cli.ts';
import { newSoftHsm, type SoftHsm } from '../support/softhsm.ts';

interface Scene {
  readonly hsm: SoftHsm;
  readonly file: (name: string, content: string) => string;
  /** `claviger hsm` with the library and its environment. */
  readonly hsmCli: (...args: readonly string[]) => Promise<CliRun>;
  readonly tool: (...args: readonly string[]) => Promise<string>;
}

async function scene(t: TestContext): Promise<Scene | null> {
  const paths = await requirePeer(t, 'softhsm');
  if (paths === null) return null;
  const hsm = await newSoftHsm(paths);
  t.after(() => hsm.remove());
  const library = ['--library', paths.library, '--env', `SOFTHSM2_CONF=${hsm.env.SOFTHSM2_CONF}`];
  return {
    hsm,
    file: (name, content) => {
      writeFileSync(join(hsm.folder, name), content, { mode: 0o600 });
      return join(hsm.folder, name);
    },
    hsmCli: (...args) => runCli(['hsm', ...args, ...library], { cwd: hsm.folder }),
    tool: async (...args) => (await mustRun(paths.tool, ['--module', paths.library, ...args], { env: hsm.env })).stdout,
  };
}

test('a token is made, tested and measured, and its configuration is that of a provider', async (t) => {
  const at = await scene(t);
  if (at === null) return;
  const { hsm, file, hsmCli, tool } = at;
  file('so', 'so-pin-9876\n');
  file('pin', 'user-pin-9876\n');
  const made = await hsmCli('init', '--token', 'made', '--so-pin-file', 'so', '--pin-file', 'pin', '--json');
  assert.equal(made.code, 0, made.stderr);
  const { serial, canaryFingerprint } = JSON.parse(made.stdout) as { serial: string; canaryFingerprint: string };
  assert.match(await tool('--list-token-slots'), new RegExp(`token label +: made\\n[^]*serial num +: ${serial}`));
  assert.ok(!`${made.stdout}${made.stderr}`.includes('pin-9876'));

  const { library } = hsm.config();
  const config = {
    providers: [
      { name: 'hsm-1', kind: 'pkcs11', profile: 'softhsm', library, tokenLabel: 'made', tokenSerial: serial },
      { name: 'other', kind: 'fake', token: '${NOT_SET}' },
    ],
  };
  Object.assign(config.providers[0]!, { pin: 'file:./pin', env: hsm.env, canary: { fingerprint: canaryFingerprint } });
  const yaml = file('claviger.yaml', JSON.stringify(config));
  const tested = await runCli(['hsm', 'test', '--config', yaml, '--json']);
  assert.equal(tested.code, 0, tested.stdout);
  const { status, findings } = JSON.parse(tested.stdout) as { status: string; findings: { result: string }[] };
  assert.equal(status, 'passed');
  assert.ok(findings.length > 50);
  const measured = await runCli([
    'hsm',
    'bench',
    '--config',
    yaml,
    '--provider',
    'hsm-1',
    '--seconds',
    '1',
    '--lanes',
    '1,2',
  ]);
  assert.equal(measured.code, 0, measured.stderr);
  assert.match(measured.stdout, /PER SECOND[^]*\n1 +1 +16 +\d+/);
  // Nothing stays but the canary.
  const left = await tool('--token-label', 'made', '--login', '--pin', 'user-pin-9876', '--list-objects');
  assert.deepEqual([...new Set(left.match(/label: +(.*)/g))], ['label:      claviger-canary']);
});

test('PINs are changed by those who know them', async (t) => {
  const at = await scene(t);
  if (at === null) return;
  const { hsm, file, hsmCli, tool } = at;
  file('old', hsm.pin);
  file('new', 'another-pin');
  const token = ['--token', hsm.config().tokenLabel];
  const wrong = await hsmCli('set-pin', ...token, '--pin-file', 'new', '--new-pin-file', 'old');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /CKR_PIN_INCORRECT/);
  const changed = await hsmCli('set-pin', ...token, '--pin-file', 'old', '--new-pin-file', 'new');
  assert.equal(changed.code, 0, changed.stderr);
  await tool(...token, '--login', '--pin', 'another-pin', '--list-objects');
  assert.ok(!`${wrong.stderr}${changed.stdout}`.includes('another-pin'));
});

test('a token with the label that is there already is left alone; erasing one wants its PIN', async (t) => {
  const at = await scene(t);
  if (at === null) return;
  const { hsm, file, hsmCli, tool } = at;
  file('so', 'wrong-so-pin');
  file('pin', 'user-pin-9876');
  const pins = ['--so-pin-file', 'so', '--pin-file', 'pin'];
  const twice = await hsmCli('init', '--token', hsm.config().tokenLabel, ...pins);
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /has the label `test-token` already/);
  const [, serial] = /serial num +: (\w+)/.exec(await tool('--list-token-slots'))!;
  const erased = await hsmCli('init', '--token', 'fresh', '--erase', serial!, ...pins);
  assert.equal(erased.code, 1);
  assert.match(erased.stderr, /CKR_PIN_INCORRECT/);
  file('so', 'so-pin-1234');
  const rightly = await hsmCli('init', '--token', 'fresh', '--erase', serial!, ...pins);
  assert.equal(rightly.code, 0, rightly.stderr);
  assert.doesNotMatch(await tool('--list-token-slots'), /test-token/);
});

test('what cannot be meant is refused, and a wrong PIN tried once', async (t) => {
  const at = await scene(t);
  if (at === null) return;
  const { file, hsmCli } = at;
  file('pin', 'wrong-pin');
  const usual = ['--token', 'test-token', '--pin-file', 'pin'];
  const denied = await hsmCli('test', ...usual);
  assert.equal(denied.code, 1);
  assert.match(denied.stderr, /CKR_PIN_INCORRECT/);
  assert.equal((await hsmCli('test')).code, 2);
  assert.equal((await hsmCli('test', '--token', 'test-token')).code, 2, 'there is no terminal to ask');
  assert.equal((await hsmCli('test', '--token', 'nobody', '--pin-file', 'pin')).code, 6);
  assert.equal((await hsmCli('bench', ...usual, '--lanes', '0')).code, 2);
  const cloud = await hsmCli(
    'init',
    '--token',
    'x',
    '--vendor',
    'cloudhsm',
    '--pin-file',
    'pin',
    '--so-pin-file',
    'pin',
  );
  assert.equal(cloud.code, 1);
  assert.match(cloud.stderr, /vendor’s own tool/);
});
