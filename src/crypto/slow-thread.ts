/**
 * The thread behind `slow-pool.ts`.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { joined } from '../bytes/joined.ts';
import { SIGNING_ALGORITHMS } from '../model/algorithm.ts';
import { signNow } from './sign.ts';
import type { SlowAnswers, SlowRequest, WireResult, WireTask } from './slow-pool.ts';
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
      port.postMessage(answers(JSON.parse(request.tasks) as WireTask[], request.bytes));
  }
});

function answers(tasks: readonly WireTask[], bytes: Uint8Array): SlowAnswers {
  const signatures: Uint8Array[] = [];
  let offset = 0;
  const results = tasks.map((task): WireResult => {
    const input = bytes.subarray(offset, (offset += task.inputBytes));
    const signature = bytes.subarray(offset, (offset += task.signatureBytes ?? 0));
    const begunMs = performance.now();
    let result: Uint8Array | boolean | string;
    try {
      result = done(task, input, signature);
    } catch (error) {
      result = (error as Error).message;
    }
    const tookMs = performance.now() - begunMs;
    if (!(result instanceof Uint8Array)) return [result, tookMs];
    signatures.push(result);
    return [result.length, tookMs];
  });
  return { results: JSON.stringify(results), signatures: joined(signatures) };
}

function done(task: WireTask, bytes: Uint8Array, signature: Uint8Array): Uint8Array | boolean {
  const { keyId, spec, algorithm, signatureBytes } = task;
  const key = keys.get(keyId)!;
  const input = task.input === 'message' ? { message: bytes } : { digest: bytes };
  if (signatureBytes === null) return signNow({ key, spec }, algorithm, input);
  return verifyNow(spec, key, SIGNING_ALGORITHMS[algorithm], input, signature);
}
