/**
 * The thread behind `digest-pool.ts`.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { SIGNING_ALGORITHMS } from '../model/algorithm.ts';
import type { DigestAnswer, DigestRequest, DigestTask } from './digest-pool.ts';
import { signDigest, verifyDigest } from './digest.ts';

const port = parentPort!;
const keys = new Map<number, KeyObject>();

port.on('message', (request: DigestRequest) => {
  switch (request.kind) {
    case 'key':
      keys.set(request.keyId, request.key);
      break;
    case 'drop':
      keys.delete(request.keyId);
      break;
    case 'task':
      port.postMessage(done(keys.get(request.keyId)!, request.task));
  }
});

function done(key: KeyObject, { spec, algorithm, digest, signature }: DigestTask): DigestAnswer {
  const row = SIGNING_ALGORITHMS[algorithm];
  if (signature !== null) return verifyDigest(spec, key, row, digest, signature);
  return Uint8Array.from(signDigest(spec, key, row, digest));
}
