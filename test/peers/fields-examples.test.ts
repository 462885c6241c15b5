import assert from 'node:assert/strict';
import { cpSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun, ROOT } from '../../tools/run.ts';
import { runExample } from '../support/examples.ts';
import { removeFolder, testFolder } from '../support/server.ts';

// 0xcf, as every field value begins, is `z` in base64url.
const PRINTED = /^found Ada@example\.org of GB, born in 1815\nstored zw[\w-]{2}…\n$/;

test('the example without a library runs', async (t) => {
  const folder = testFolder();
  t.after(() => removeFolder(folder));
  assert.equal(
    await runExample('fields.mjs', folder),
    'found Ada@Example.org, born 1815, stored as zwE…\n1 key destroyed, complete in 30 days\ncannot be read any more: KEY_STATE\n',
  );
});

for (const library of ['kysely', 'drizzle']) {
  test(`the example for ${library} runs`, async (t) => {
    const folder = testFolder();
    t.after(() => removeFolder(folder));
    assert.match(await runExample(`fields-${library}.mjs`, folder), PRINTED);
  });
}

test('the example for prisma runs', async (t) => {
  const peer = await requirePeer(t, 'prisma');
  if (peer === null) return;
  // Packages of Prisma are found from below the peer's folder.
  const folder = mkdtempSync(join(peer.folder, 'example-'));
  t.after(() => removeFolder(folder));
  cpSync(join(ROOT, 'examples/fields-prisma'), folder, { recursive: true });
  await mustRun(process.execPath, [peer.cli, 'generate', '--schema', join(folder, 'schema.prisma')], {
    cwd: folder,
    env: peer.env,
  });
  assert.match(await runExample('fields-prisma/main.mjs', folder, { isCopied: true }), PRINTED);
});
