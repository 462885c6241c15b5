import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCli, startCli } from '../support/cli.ts';
import { removeFolder, testFolder } from '../support/server.ts';

/** What `claviger serve` writes to standard error from its start to its end. */
async function logOf(t: TestContext, config: string, ...flags: readonly string[]): Promise<string> {
  const folder = testFolder();
  t.after(() => removeFolder(folder));
  writeFileSync(
    join(folder, 'claviger.yaml'),
    `listen: { port: 0 }\nstore: { folder: data }\nseal: { kind: file, path: root.key }\n${config}`,
  );
  const serve = startCli(['serve', '--config', 'claviger.yaml', '--json', ...flags], { cwd: folder });
  await serve.shown('"token"');
  assert.equal(await serve.stop(), 0);
  return serve.stderr();
}

test('serve writes JSON lines, unless it is told otherwise', async (t) => {
  const lines = (await logOf(t, '')).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { message: string }).message),
    ['listening', 'stopping'],
  );
});

test('serve writes text where the configuration says so', async (t) => {
  assert.match(await logOf(t, 'log: { format: text }'), /^· listening url=http/);
});

test('a flag goes before the configuration', async (t) => {
  assert.match(await logOf(t, 'log: { format: text }', '--log-format', 'json'), /^\{"time":.*"message":"listening"/);
  assert.equal(await logOf(t, '', '--log-level', 'warn'), '');
});

test('formats and levels that there are not are refused with those that there are', async () => {
  const format = await runCli(['serve', '--log-format', 'xml']);
  assert.equal(format.code, 2);
  assert.match(format.stderr, /Allowed choices are json, text/);
  const level = await runCli(['dev', '--log-level', 'debug']);
  assert.equal(level.code, 2);
  assert.match(level.stderr, /Allowed choices are info, warn, error/);
});

test('help names both, with an example', async () => {
  const { stdout } = await runCli(['serve', '--help']);
  assert.match(stdout, /--log-format <format>.*choices: "json",\s+"text"/s);
  assert.match(stdout, /claviger serve --config claviger.yaml --log-format text --log-level warn/);
});
