import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { removeFolder, testFolder } from '../support/server.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const folder = testFolder();
after(() => removeFolder(folder));

test('the package installs into an empty project, where the examples, the client, envelopes, sealed files, the conformance kit and the command run', async () => {
  // The archive is what `npm publish` would send; `prepack` builds it.
  const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, maxBuffer: 1e8 });
  const [archive] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('['))) as [{ filename: string }];
  writeFileSync(join(folder, 'package.json'), '{ "name": "empty", "private": true }');
  await run('npm', ['install', '--omit=dev', '--no-audit', '--no-fund', join(folder, archive.filename)], {
    cwd: folder,
  });

  copyFileSync(join(root, 'examples/ten-lines.mjs'), join(folder, 'ten-lines.mjs'));
  const example = await run(process.execPath, ['ten-lines.mjs'], { cwd: folder });
  assert.match(example.stdout, /^attack at dawn \(version 1 of key [0-9a-f-]{36}\)\n$/);

  copyFileSync(join(root, 'examples/encrypt-stream.mjs'), join(folder, 'encrypt-stream.mjs'));
  const bytes = randomBytes(300_000);
  writeFileSync(join(folder, 'plain'), bytes);
  await run(process.execPath, ['encrypt-stream.mjs', 'plain', 'sealed', 'again'], { cwd: folder });
  assert.deepEqual(readFileSync(join(folder, 'again')), bytes);

  const imported = await run(
    process.execPath,
    [
      '-e',
      "import('claviger/client').then(({ ClavigerClient }) => console.log(typeof ClavigerClient.prototype.encrypt))",
    ],
    { cwd: folder },
  );
  assert.equal(imported.stdout, 'function\n');

  const envelope = await run(
    process.execPath,
    ['-e', "import('claviger/envelope').then(({ Envelope }) => console.log(typeof Envelope.prototype.encryptStream))"],
    { cwd: folder },
  );
  assert.equal(envelope.stdout, 'function\n');

  const sealed = await run(
    process.execPath,
    ['-e', "import('claviger/sealed').then(({ unseal }) => console.log(typeof unseal))"],
    { cwd: folder },
  );
  assert.equal(sealed.stdout, 'function\n');

  const kit = await run(
    process.execPath,
    ['-e', "import('claviger/conformance').then((kit) => console.log(typeof kit.conformanceCases))"],
    { cwd: folder },
  );
  assert.equal(kit.stdout, 'function\n');

  const command = await run(process.execPath, ['node_modules/claviger/bin/claviger.js', '--version'], { cwd: folder });
  assert.match(command.stdout, /^\d+\.\d+\.\d+\n$/);
});
