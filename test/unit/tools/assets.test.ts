import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { copyAssets } from '../../../tools/build/assets.ts';

suite('build', () => {
  test('what is not TypeScript is copied, at its place in the tree', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'claviger-assets-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const from = join(folder, 'src');
    await mkdir(join(from, 'policy', 'roles'), { recursive: true });
    await writeFile(join(from, 'policy', 'roles', 'admin.cedar'), 'permit(principal, action, resource);');
    await writeFile(join(from, 'policy', 'engine.ts'), 'export {};');

    const to = join(folder, 'dist');
    assert.deepEqual(await copyAssets(from, to), [join('policy', 'roles', 'admin.cedar')]);
    assert.equal(
      await readFile(join(to, 'policy', 'roles', 'admin.cedar'), 'utf8'),
      'permit(principal, action, resource);',
    );
    await assert.rejects(readFile(join(to, 'policy', 'engine.ts')), { code: 'ENOENT' });
  });
});
