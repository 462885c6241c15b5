import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { ROOT, run } from '../../../tools/run.ts';

/** Asks for a peer in a process whose cache is empty. */
async function askWithoutPeers(ci: string) {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-peers-'));
  try {
    const script = `
      import { requirePeer } from ${JSON.stringify(join(ROOT, 'tools/peers/require.ts'))};
      const skipped = [];
      const t = { skip: (reason) => skipped.push(reason) };
      console.log(JSON.stringify({ paths: await requirePeer(t, 'wycheproof'), skipped }));`;
    return await run(process.execPath, ['--input-type=module', '--eval', script], {
      env: { CLAVIGER_PEERS_DIR: folder, CI: ci },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

suite('requirePeer', () => {
  test('skips a test whose peer is not there, and says how to get it', async () => {
    const { ok, stdout, output } = await askWithoutPeers('');
    assert.equal(ok, true, output);
    assert.deepEqual(JSON.parse(stdout), {
      paths: null,
      skipped: ['the peer `wycheproof` is not there; run `npm run peers -- wycheproof`'],
    });
  });

  test('throws under CI, where every peer must be had', async () => {
    const { ok, output } = await askWithoutPeers('true');
    assert.equal(ok, false);
    assert.match(output, /the peer `wycheproof` is not there/u);
  });
});
