/**
 * spec/esdk-profile.md against the code: its example is written, read, and opened by its own program in Python.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Envelope } from '../../../../src/envelope/index.ts';
import { rawAesKeyring } from '../../../../src/envelope/keyrings/index.ts';
import * as limits from '../../../../src/envelope/message/limits.ts';
import { SUITES } from '../../../../src/envelope/message/suites.ts';
import { requirePeer } from '../../../../tools/peers/require.ts';
import { mustRun, ROOT } from '../../../../tools/run.ts';
import { suiteName } from '../../../support/crafted-message.ts';

const page = await readFile(join(ROOT, 'spec/esdk-profile.md'), 'utf8');
const example = Buffer.from(/^```\n(.*?)^```/ms.exec(page)![1]!.replaceAll(/\s/g, ''), 'hex');
const context = { shop: '1', cart: '42' };

const range = (from: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => from + at));

/** The values of the example: a data key, the nonce of its wrap, the id of the message. */
function exampleEnvelope(): Envelope {
  const random = (...values: Buffer[]): { bytes: () => Buffer } => ({ bytes: () => values.shift()! });
  const keyring = rawAesKeyring({
    key: range(0, 32),
    namespace: 'docs',
    name: 'example',
    random: random(range(0x20, 32), range(0x60, 12)),
  });
  return new Envelope({ keyring, random: random(range(0x40, 32)) });
}

test('the example is what our code makes of the same inputs', async () => {
  const { message } = await exampleEnvelope().encrypt(Buffer.from('attack at dawn'), { context, frameBytes: 8 });
  assert.equal(message.toString('hex'), example.toString('hex'));
});

test('the example opens, with its own context only', async () => {
  const { plaintext, header } = await exampleEnvelope().decrypt(example, { context });
  assert.equal(plaintext.toString(), 'attack at dawn');
  assert.deepEqual(header.context, context);
  assert.equal(header.headerBytes, 198);
  await assert.rejects(exampleEnvelope().decrypt(example, { context: { shop: '2' } }), { code: 'INVALID_CIPHERTEXT' });
});

test('its program in Python, which knows nothing of ours, opens the example', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const [, program] = /^```python\n(.*?)^```/ms.exec(page)!;
  const { stdout } = await mustRun(python.python, ['-'], { input: program! });
  assert.equal(stdout, 'attack at dawn\n');
});

test('the page names every suite and every limit of the code', () => {
  for (const id of SUITES.keys()) assert.match(page, new RegExp(suiteName(id)));
  const MIB = 2 ** 20;
  assert.match(page, new RegExp(`frame that is written or read \\| 1 byte \\| ${limits.FRAME_BYTES_MAX / MIB} MiB`));
  assert.match(page, new RegExp(`non-framed content \\| 0 \\| ${limits.NON_FRAMED_BYTES_MAX / MIB} MiB`));
  assert.match(page, new RegExp(`encrypted data keys \\| 1 \\| ${limits.ENCRYPTED_DATA_KEYS_MAX} \\|`));
  assert.match(page, new RegExp(`header \\| \\| ${limits.HEADER_BYTES_MAX / MIB} MiB`));
  const frames = `${limits.FRAME_BYTES / 1024} KiB where nothing is said, ${limits.LARGE_FRAME_BYTES / 1024} KiB for a stream`;
  assert.ok(page.includes(frames));
  assert.ok(page.includes(`to have ${limits.LARGE_BYTES / MIB} MiB or more`));
});
