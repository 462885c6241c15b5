/**
 * The log as a running server gives it to an auditor, verified by the verifier that shares nothing with its writer.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { parseVerifierKey, urlSource, verifyLog } from '../../src/audit/verifier/index.ts';

const WAIT_MS_MAX = 5000;

export interface Served {
  readonly endpoint: string;
  /** Of an auditor with the system scope; the development token is one. */
  readonly token: string;
}

/** `key` or `checkpoint` as the server gives it; null where there is none yet. */
export async function servedText({ endpoint, token }: Served, what: 'key' | 'checkpoint'): Promise<string | null> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${endpoint}/v1/audit/log/${what}`, { headers });
  const text = await response.text();
  if (response.status === 404) return null;
  assert.equal(response.status, 200, text);
  return text;
}

/**
 * Fails where the verifier finds anything, from the first record to the newest checkpoint, or where the log does not go
 * on from a checkpoint that was seen before.
 *
 * @param atLeast records that the newest checkpoint has to cover, or will soon
 * @returns the number of records
 */
export async function verifyServed(
  { endpoint, token }: Served,
  since: readonly string[],
  atLeast = 1,
): Promise<number> {
  const server = { endpoint, token };
  const givenUpMs = performance.now() + WAIT_MS_MAX;
  while (sizeOf(await servedText(server, 'checkpoint')) < atLeast) {
    assert.ok(performance.now() < givenUpMs, `there is no checkpoint over ${atLeast} records`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const key = parseVerifierKey((await servedText(server, 'key'))!.trim());
  const older = since.map((note, n) => ({ name: `checkpoint ${n} of those seen before`, note: Buffer.from(note) }));
  const { log, findings } = await verifyLog(urlSource(server), { key, since: older });
  assert.deepEqual(findings, []);
  return log!.size;
}

/** The second line of a checkpoint. */
function sizeOf(checkpoint: string | null): number {
  return Number(checkpoint?.split('\n')[1] ?? 0);
}
