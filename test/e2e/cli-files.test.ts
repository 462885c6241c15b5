import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startCliWorld, type CliWorld } from '../support/cli.ts';

let world: CliWorld;
before(async () => {
  world = await startCliWorld();
  const { client } = world.server;
  await Promise.all([
    client.createKey({ spec: 'AES-256-GCM', alias: 'files' }),
    client.createKey({ spec: 'AES-256-GCM', alias: 'other' }),
  ]);
});
after(() => world.stop());

function file(name: string, content?: Uint8Array | string): string {
  const path = join(world.folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const KEY = ['--key', 'alias:files'];
const FRAME = 1000;

describe('files of any size', { concurrency: 2 }, () => {
  for (const size of [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME, 100_000]) {
    test(`${size} bytes come back as they were`, async () => {
      const bytes = randomBytes(size);
      const [plain, sealed, opened] = [file(`p${size}`, bytes), file(`s${size}`), file(`o${size}`)];
      const context = ['--context', 'shop=1', 'city=Graz'];
      const frames = ['--frame-size', String(FRAME)];
      assert.equal(await world.ok(['encrypt', ...KEY, ...context, ...frames, '--in', plain, '--out', sealed]), '');
      assert.deepEqual(readFileSync(sealed).subarray(0, 3), Buffer.from([2, 4, 0x78]));
      assert.equal(await world.ok(['decrypt', '--in', sealed, '--out', opened]), '');
      assert.deepEqual(readFileSync(opened), bytes);
      assert.equal(statSync(opened).mode & 0o777, 0o600);
      const shown = await world.json(['inspect', sealed]);
      assert.equal(shown.body.plaintextBytes, size);
    });
  }

  test('a stream', async () => {
    const bytes = randomBytes(40_000_000);
    const sealed = await world.run(['encrypt', ...KEY, '--in', '-'], { input: bytes });
    assert.equal(sealed.stderr, '');
    const opened = await world.run(['decrypt', '--in', '-'], { input: sealed.bytes });
    assert.match(opened.stderr, /before the end/);
    assert.ok(opened.bytes.equals(bytes));
    assert.deepEqual(
      readdirSync(world.folder).filter((name) => name.includes('claviger-')),
      [],
    );
  });
});
