/**
 * The example of spec/sealed-config.md: our code makes it, and a program that knows nothing of ours opens it.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { KeyService } from '../../../../src/envelope/key-service.ts';
import { FORMATS, seal, unseal } from '../../../../src/envelope/sealed/index.ts';
import { requirePeer } from '../../../../tools/peers/require.ts';
import { ROOT, run } from '../../../../tools/run.ts';

const ARN = 'arn:aws:kms:us-east-1:863664449909:key/019a0000-0000-7000-8000-0000000000aa';
const format = FORMATS.env;

/** Bytes that count up from a start. */
function counting(length: number, start: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => start + at));
}

/** Gives the data key of the example, whatever it is asked. */
const service: KeyService = {
  generateDataKey: async () => ({ ...served, ciphertext: Buffer.from('a1a1a1a1', 'hex'), plaintext: counting(32, 0) }),
  encrypt: async () => assert.fail('the example has one key'),
  decrypt: async () => ({ ...served, plaintext: counting(32, 0) }),
  describeKey: async () => ({ arn: ARN }),
};
const served = { keyId: 'the key of the example', arn: ARN, keyVersion: 1 };

async function page(): Promise<{ before: string; sealed: string; program: string }> {
  const text = await readFile(join(ROOT, 'spec/sealed-config.md'), 'utf8');
  const [, before, , sealed, , program] = /```sh\n(.*?)```(.*?)```\n(.*?)```(.*?)```python\n(.*?)```/s.exec(text)!;
  return { before: before!, sealed: sealed!, program: program! };
}

suite('spec/sealed-config.md', () => {
  test('its example is what our code makes of the same inputs, and opens', async () => {
    const { before, sealed } = await page();
    const made = await seal(service, before, {
      format,
      keys: ['the key of the example'],
      context: { stage: 'test' },
      selection: { only: null, except: '_HOST$' },
      random: { bytes: (length) => counting(length, length === 16 ? 0x20 : 0x40) },
    });
    assert.equal(made.text, sealed);
    assert.equal((await unseal(service, sealed, { format })).text, before);
  });

  test('its program in Python, which knows nothing of ours, opens the example, and no other', async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const folder = await mkdtemp(join(tmpdir(), 'claviger-sealed-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const { sealed, program } = await page();
    await writeFile(join(folder, 'example.env'), sealed);
    const opened = await run(python.python, ['-'], { input: program, cwd: folder });
    assert.equal(opened.output, "DB_PASSWORD='correct horse'\n");
    await writeFile(join(folder, 'example.env'), sealed.replaceAll('\n', '\r\n'));
    assert.ok((await run(python.python, ['-'], { input: program, cwd: folder })).ok);
    await writeFile(join(folder, 'example.env'), sealed.replace('db.example.com', 'db.example.org'));
    const refused = await run(python.python, ['-'], { input: program, cwd: folder });
    assert.match(refused.output, /AssertionError/);
  });
});
