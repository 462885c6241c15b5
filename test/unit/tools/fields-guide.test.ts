/**
 * docs/guides/fields.md against the code: its three lines run, and its configuration is read.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compileFunction } from 'node:vm';
import { readFieldsConfig, tablesBySet } from '../../../src/cli/commands/fields/config.ts';
import { processTerminal } from '../../../src/cli/terminal.ts';
import { fields, sqlKeyStore } from '../../../src/envelope/fields/index.ts';
import { NORMALIZERS } from '../../../src/envelope/fields/normalize.ts';
import { ROOT } from '../../../tools/run.ts';
import { openFieldsWorld, type FieldsWorld } from '../../support/fields.ts';
import { removeFolder, testFolder } from '../../support/server.ts';

const PAGE = readFileSync(join(ROOT, 'docs/guides/fields.md'), 'utf8');

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(PAGE)![1]!;
}

let world: FieldsWorld;
before(async () => {
  world = await openFieldsWorld();
  await world.service.api.createKey({ spec: 'AES-256-GCM', alias: 'customers' });
});
after(() => world.remove());

test('the three lines of the guide run', async () => {
  const names = ['fields', 'sqlKeyStore', 'claviger', 'database', 'id'];
  const program = compileFunction(`return (async () => { ${block('js')} return { row, email, born }; })();`, names);
  const { row, email, born } = (await program(fields, sqlKeyStore, world.api, world.database, randomUUID())) as {
    row: Record<string, unknown>;
    email: unknown;
    born: unknown;
  };
  assert.deepEqual({ email, born }, { email: 'ada@example.org', born: new Date('1815-12-10') });
  assert.match(String(row['email']), /^zwE/);
  assert.equal(row['country'], 'GB');
});

test('the configuration of the guide is one', async (t) => {
  const folder = testFolder();
  t.after(() => removeFolder(folder));
  const file = join(folder, 'fields.json');
  writeFileSync(file, block('json'));
  const config = await readFieldsConfig(processTerminal(), file);
  assert.deepEqual([...tablesBySet(config, 'orders').keys()], ['people']);
});

test('the guide names every normaliser', () => {
  for (const name of Object.keys(NORMALIZERS)) assert.ok(PAGE.includes(`| \`${name}\` |`), name);
});
