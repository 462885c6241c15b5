/** OpenSSL as an independent implementation. */
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { requirePeer } from '../../../../tools/peers/require.ts';

/** What `openssl` prints for an input; null where the test has been skipped. */
export async function openssl(t: TestContext, args: readonly string[], input: string): Promise<Buffer | null> {
  const peer = await requirePeer(t, 'openssl');
  if (peer === null) return null;
  const { status, stdout, stderr } = spawnSync(peer.program, args, { input });
  if (status !== 0) throw new Error(stderr.toString());
  return stdout;
}
