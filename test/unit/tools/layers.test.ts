import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, suite, test } from 'node:test';
import { LAYERS, checkLayers } from '../../../tools/check/layers.ts';

/** Writes a source tree for one test and examines it. */
async function examine(t: TestContext, files: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-layers-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return checkLayers(folder);
}

suite('layer rule', () => {
  test('a tree that keeps it passes, and says how much was examined', async (t) => {
    const report = await examine(t, {
      'errors.ts': `export class ClavigerError extends Error {}`,
      'model/key.ts': `import { ClavigerError } from '../errors.ts';\nimport './state.ts';\nimport 'node:fs';\nimport 'zod';`,
      'model/state.ts': '',
      'index.ts': `export * from './model/key.ts';`,
    });
    assert.deepEqual(report, { filesExamined: 4, importsExamined: 5, problems: [] });
  });

  test('a tree without a file is a problem', async (t) => {
    const { filesExamined, problems } = await examine(t, { 'readme.txt': 'nothing to examine' });
    assert.equal(filesExamined, 0);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /examined no file/u);
  });

  test('an import from a lower layer is a problem, with its line', async (t) => {
    const { problems } = await examine(t, {
      'model/key.ts': `// a comment\nimport { open } from '../store/open.ts';`,
      'store/open.ts': '',
    });
    assert.deepEqual(problems, [
      'src/model/key.ts:2: imports src/store/open.ts: model is above store, and a layer imports only from itself and from above',
    ]);
  });

  for (const [form, text] of Object.entries({
    import: `import x from '../cli/x.ts';`,
    'import of a type': `import type { X } from '../cli/x.ts';`,
    'import for its effects': `import '../cli/x.ts';`,
    'export of all': `export * from '../cli/x.ts';`,
    'export of names': `export { x } from '../cli/x.ts';`,
    'dynamic import': `const x = await import('../cli/x.ts');`,
    'dynamic import by template': 'const x = await import(`../cli/${name}.ts`);',
    'type of an import': `type X = import('../cli/x.ts').X;`,
    'worker by URL': `new Worker(new URL('../cli/x.ts', import.meta.url));`,
  })) {
    test(`sees every form of it: ${form}`, async (t) => {
      const { problems } = await examine(t, { 'store/a.ts': text, 'cli/x.ts': '' });
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0]!, /^src\/store\/a\.ts:1: imports src\/cli\//u);
    });
  }

  test('comments, strings and regular expressions that look like imports are none', async (t) => {
    const { importsExamined, problems } = await examine(t, {
      'model/key.ts': [
        `// import '../cli/a.ts';`,
        `/* import '../cli/b.ts'; */`,
        `export const text = "import '../cli/c.ts'";`,
        'export const template = `import("../cli/d.ts")`;',
        `export const pattern = /import '..\\/cli\\/e.ts'/;`,
        `export const page = new URL('../cli/f.ts', 'https://example.org/');`,
      ].join('\n'),
    });
    assert.deepEqual({ importsExamined, problems }, { importsExamined: 0, problems: [] });
  });

  test('a URL beside the module is an import only where it names a module', async (t) => {
    const { importsExamined, problems } = await examine(t, {
      'server/a.ts': [
        `new URL('../../package.json', import.meta.url);`,
        `new URL(process.argv[2]!, import.meta.url);`,
        'new URL(`./thread.${extension}`, import.meta.url);',
      ].join('\n'),
    });
    assert.deepEqual({ importsExamined, problems }, { importsExamined: 1, problems: [] });
  });

  test('a computed import cannot be checked, which is a problem', async (t) => {
    const { problems } = await examine(t, { 'server/a.ts': `await import(process.argv[2]!);` });
    assert.match(problems.join(), /src\/server\/a\.ts:1: imports a computed name/u);
  });

  test('wire and client reach only what runs in a browser', async (t) => {
    const { problems } = await examine(t, {
      'wire/key.ts': `import '../model/key.ts'; import '../errors.ts';\nimport '../operations/execute.ts';`,
      'client/client.ts': `import '../wire/key.ts'; import '../bytes/base64.ts';\nimport '../crypto/random.ts';`,
      'gateways/rest/routes.ts': `import '../../operations/execute.ts'; import '../../wire/key.ts';`,
    });
    assert.deepEqual(
      problems.map((line) => line.split(': ').slice(0, 2).join(': ')),
      ['src/client/client.ts:2: imports src/crypto/random.ts', 'src/wire/key.ts:2: imports src/operations/execute.ts'],
    );
  });

  test('wire and client may take types from above, which are gone when they run', async (t) => {
    const { problems } = await examine(t, {
      'client/client.ts': `import type { Api } from '../operations/index.ts'; export type { Api } from '../operations/index.ts';`,
      'wire/key.ts': `import { type Key } from '../operations/index.ts';`,
    });
    assert.deepEqual(
      problems.map((line) => line.split(':')[0]),
      ['src/wire/key.ts'],
    );
  });

  test('a provider knows the contract, and not its neighbour', async (t) => {
    const { problems } = await examine(t, {
      'providers/provider.ts': '',
      'providers/registry.ts': `import './software/index.ts';`,
      'providers/software/index.ts': `import '../provider.ts'; import './keys.ts';`,
      'providers/software/keys.ts': '',
      'providers/pem/index.ts': `import '../software/keys.ts';`,
    });
    assert.deepEqual(problems, [
      'src/providers/pem/index.ts:1: imports src/providers/software/keys.ts: provider `pem` may not lean on provider `software`',
    ]);
  });

  test('nothing reaches outside the source folder', async (t) => {
    const { problems } = await examine(t, { 'cli/a.ts': `import '../../tools/run.ts';` });
    assert.match(problems.join(), /src\/cli\/a\.ts:1: imports `\.\.\/\.\.\/tools\/run\.ts`, which is outside src/u);
  });

  test('a folder or file that is not in the list is a problem', async (t) => {
    const { problems } = await examine(t, { 'helpers/a.ts': '', 'other.ts': '' });
    assert.deepEqual(
      problems.map((line) => line.split(' is not')[0]),
      ['src/helpers/a.ts: `helpers`', 'src/other.ts: `other.ts`'],
    );
  });

  test('a file that cannot be parsed is a problem, not a pass', async (t) => {
    const { problems } = await examine(t, { 'model/key.ts': `import { from` });
    assert.match(problems.join(), /src\/model\/key\.ts:1: cannot be parsed/u);
  });

  test('the list names each layer once', () => {
    assert.equal(new Set(LAYERS).size, LAYERS.length);
  });
});
