/**
 * The thread behind `slow-pool.ts`.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { SIGNING_ALGORITHMS } from '../model/algorithm.ts';
import { signNow } from './sign.ts';
import type { SlowAnswer, SlowRequest, SlowTask } from './slow-pool.ts';
import { verifyNow } from './verify.ts';

/** Behind the event loop and the writer thread, which have little to do for each task and should do it at once. */
const PRIORITY = 10;

// Only Linux has a priority for each thread; elsewhere this would be the whole process's.
if (process.platform === 'linux') setPriority(PRIORITY);

const port = parentPort!;
const keys = new Map<number, KeyObject>();

port.on('message', (request: SlowRequest) => {
  switch (request.kind) {
    case 'key':
      keys.set(request.keyId, request.key);
      break;
    case 'drop':
      keys.delete(request.keyId);
      break;
    case 'batch':
      port.postMessage(request.tasks.map((task) => answer(keys.get(task.keyId)!, task)));
  }
});

function answer(key: KeyObject, task: SlowTask): SlowAnswer {
  const begunMs = performance.now();
  let result: SlowAnswer['result'];
  try {
    result = done(key, task);
  } catch (error) {
    result = (error as Error).message;
  }
  return { result, tookMs: performance.now() - begunMs };
}

function done(key: KeyObject, { spec, algorithm, input, signature }: SlowTask): Uint8Array | boolean {
  if (signature !== null) return verifyNow(spec, key, SIGNING_ALGORITHMS[algorithm], input, signature);
  return Uint8Array.from(signNow({ key, spec }, algorithm, input));
}
