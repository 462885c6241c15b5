/** Every block of commands and code of docs/guides/aws-kms.md, run in its order as a reader would. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { ROOT, mustRun, toolPath } from '../../tools/run.ts';
import { AWS_OPERATIONS, UNSUPPORTED_OPERATIONS } from '../../src/gateways/aws-kms/operations.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;
let guide: string;

before(async () => {
  server = await startTestServer();
  folder = await mkdtemp(join(tmpdir(), 'claviger-guide-'));
  guide = await readFile(join(ROOT, 'docs/guides/aws-kms.md'), 'utf8');
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** The blocks as one shell script, those of other languages written to files and run where they stand. */
async function scriptOf(text: string): Promise<string> {
  const lines = ['set -euo pipefail'];
  const blocks = [...text.matchAll(/^```(sh|js|python)\b[^\n]*\n(.*?)^```$/gms)];
  assert.ok(blocks.length >= 10);
  for (const [index, [, language, code]] of blocks.entries()) {
    if (language === 'sh') lines.push(code!);
    if (language === 'js' || language === 'python') {
      const file = `block-${index}.${language === 'js' ? 'mjs' : 'py'}`;
      await writeFile(join(folder, file), code!);
      lines.push(`${language === 'js' ? 'node' : 'python'} ${file}`);
    }
  }
  return lines.join('\n');
}

test('every block runs, and shows what it says', async (t) => {
  const [python, openssl] = [await requirePeer(t, 'python'), await requirePeer(t, 'openssl')];
  if (python === null || openssl === null) return;
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'claviger'), `#!/bin/sh\nexec node ${join(ROOT, 'bin/claviger.js')} "$@"\n`);
  await chmod(join(bin, 'claviger'), 0o755);
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const script = (await scriptOf(guide)).replaceAll('http://127.0.0.1:8550', server.endpoint);
  const { stdout } = await mustRun('bash', ['-c', script], {
    cwd: folder,
    env: {
      PATH: [bin, dirname(python.python), toolPath()].join(delimiter),
      CLAVIGER_ENDPOINT: server.endpoint,
      CLAVIGER_TOKEN: server.token,
      AWS_CONFIG_FILE: join(folder, 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_PAGER: '',
    },
    timeoutMs: 120_000,
  });
  assert.match(stdout, /"Description": "orders of the shop"/);
  assert.match(stdout, /"AliasName": "alias\/orders"/);
  assert.match(stdout, /^card 4711$/m);
  assert.match(stdout, /"SignatureValid": true/);
  assert.match(stdout, /^Verified OK$/m);
  assert.match(stdout, /^hello\nkey `alias\/none` does not exist$/m);
  assert.match(stdout, /^b'hello'\narn:aws:kms:us-east-1:\d{12}:key\//m);
  assert.match(stdout, /NotFoundException.*DescribeKey/);
  assert.match(stdout, /^"Enabled"$/m);
  assert.match(stdout, /Encrypt\s+OK/);
});

test('every operation that is answered stands in the guide, and every one that is refused by name', () => {
  const table = guide.slice(guide.indexOf('## What is there'), guide.indexOf('| key spec |'));
  const [answered, refused] = table.split('| refused by name') as [string, string];
  for (const name of AWS_OPERATIONS.keys()) assert.match(answered, new RegExp(`\\b${name}\\b`));
  for (const name of UNSUPPORTED_OPERATIONS) {
    const store = /^(.*)CustomKeyStores?$/.exec(name);
    assert.ok(refused.includes(store === null ? name : store[1]!), name);
  }
});
