/**
 * The writer thread: owns the store's one writing connection, signs with the fast curves and commits groups.
 *
 * Natural batching: jobs that come while a commit is in flight make the next group, which starts at once. A group takes
 * jobs for as long as the last commit took, at least `GROUP_TIME_MS_MIN`: by time, not by count.
 *
 * @module
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { systemRandom } from '../crypto/random.ts';
import { type PrivateHandle, privateHandle } from '../crypto/key-material.ts';
import { signNow } from '../crypto/sign.ts';
import type { Change } from '../store/change.ts';
import { Checkpointer } from '../store/sqlite/checkpointer.ts';
import { SqliteWriter } from '../store/sqlite/writer.ts';
import { LogWriter } from './group.ts';
import type {
  FailedMessage,
  GroupMessage,
  ReadyMessage,
  RecordedJob,
  SignerMessage,
  ThreadStart,
  WireJob,
} from './protocol.ts';

const GROUP_JOBS_MAX = 512;
const GROUP_TIME_MS_MIN = 0.5;
/** SQLite's result code for a full disk: the transaction is rolled back for certain, so the thread can go on. */
const SQLITE_FULL = 13;

interface QueuedJob {
  readonly job: WireJob;
  readonly bytes: Uint8Array | null;
  readonly changes: readonly Change[];
  /** Keys to forget once this job is done: it, or one before it, may still sign with them. */
  after: readonly Dropped[] | null;
}

type Dropped = readonly [id: string, key: PrivateHandle | undefined];
const NO_CHANGES: readonly Change[] = [];
const NO_BYTES = new Uint8Array();

const port = parentPort!;
const start = workerData as ThreadStart;
const keys = new Map<string, PrivateHandle>();
let queue: QueuedJob[] = [];
let lastCommitMs = 0;
let broken = false;
/** True once a commit has failed for good: what still comes has been refused on the other side, and none of it is written. */
let ended = false;
let checkpointTimer: NodeJS.Timeout | null = null;
const log = new LogWriter(openStore(), systemRandom);
const checkpointer = new Checkpointer(start.databasePath);

const { logId, nextIndex, checkpoint } = log.tail;
port.postMessage({ kind: 'ready', logId, size: nextIndex, checkpoint } satisfies ReadyMessage);
port.on('message', (message: ToThread) => {
  if (message === 'close') {
    void close();
    return;
  }
  if (ended) return;
  if ('signer' in message) log.signWith(message.signer);
  else enqueue(message);
  while (queue.length > 0) runGroup();
  planCheckpoint();
});

type ToThread = GroupMessage | SignerMessage | 'close';

/** The records of the last moment get a checkpoint, though no further group follows them. */
function planCheckpoint(): void {
  const dueMs = broken ? null : log.checkpointDueMs();
  if (checkpointTimer !== null || dueMs === null) return;
  checkpointTimer = setTimeout(() => {
    checkpointTimer = null;
    if (!broken && log.checkpointDueMs() === 0) runGroup();
    planCheckpoint();
  }, dueMs);
}

/** Nothing that was answered is left without a checkpoint. */
async function close(): Promise<void> {
  if (checkpointTimer !== null) clearTimeout(checkpointTimer);
  if (!broken && log.checkpointDueMs() !== null) {
    log.checkpointNow();
    runGroup();
  }
  await checkpointer.close();
  log.close();
  port.close();
}

function openStore(): SqliteWriter {
  const store = new SqliteWriter(start.databasePath);
  store.settle(start.settings);
  return store;
}

function enqueue({ jobs, bytes, changes, keys: given, drops }: GroupMessage): void {
  const dropped = drops?.map((id): Dropped => [id, keys.get(id)]) ?? [];
  for (const { id, spec, key } of given ?? []) keys.set(id, privateHandle(spec, key));
  for (const job of JSON.parse(jobs) as WireJob[]) {
    queue.push({ job, bytes, changes: changes?.get(job.id) ?? NO_CHANGES, after: null });
  }
  // The jobs of this very message may have been made before the drop, and still sign with what is dropped.
  if (dropped.length === 0) return;
  const last = queue.at(-1);
  if (last === undefined) forgetNow(dropped);
  else last.after = [...(last.after ?? []), ...dropped];
}

/** Forgets keys, but for those that were given anew meanwhile. */
function forgetNow(dropped: readonly Dropped[] | null): void {
  for (const [id, key] of dropped ?? []) if (keys.get(id) === key) keys.delete(id);
}

function runGroup(): void {
  const begun = performance.now();
  const closesAt = begun + Math.max(GROUP_TIME_MS_MIN, lastCommitMs);
  let taken = 0;
  try {
    if (broken) reopen();
    log.begin();
    while (taken < GROUP_JOBS_MAX) {
      if (taken === queue.length) receiveMore();
      if (taken === queue.length) break;
      const { job, bytes, changes } = queue[taken]!;
      taken += 1;
      log.take(job, changes, (recorded) => signAll(recorded, bytes));
      if (performance.now() > closesAt) break;
    }
    const answer = log.commit();
    lastCommitMs = answer.commitMs;
    checkpointer.committed(answer.ids.length);
    for (const { after } of queue.splice(0, taken)) forgetNow(after);
    port.postMessage(answer);
  } catch (error) {
    fail(error);
  }
}

/** Takes a message that has come meanwhile, without going back to the event loop. A `close` waits for its turn. */
function receiveMore(): void {
  const received = receiveMessageOnPort(port);
  if (received === undefined) return;
  const message = received.message as ToThread;
  if (message === 'close' || 'signer' in message) setImmediate(() => port.emit('message', message));
  else enqueue(message);
}

function signAll(job: RecordedJob, bytes: Uint8Array | null): readonly Uint8Array[] {
  return job.signs.map(({ key, algorithm, input, from, to }) => {
    const part = (bytes ?? NO_BYTES).subarray(from, to);
    return signNow(keys.get(key)!, algorithm, input === 'message' ? { message: part } : { digest: part });
  });
}

/** Nothing of the group is in the log: every waiting job is refused, none is tried again behind its caller's back. */
function fail(error: unknown): void {
  log.abandon();
  broken = true;
  ended = (error as { errcode?: number }).errcode !== SQLITE_FULL;
  const ids = queue.map(({ job }) => job.id);
  for (const { after } of queue) forgetNow(after);
  queue = [];
  port.postMessage({ kind: 'failed', ids, reason: (error as Error).message, fatal: ended } satisfies FailedMessage);
}

/** Recovery is the start path: a new connection, and the tail as the store has it. When what changed stays known. */
function reopen(): void {
  try {
    log.close();
  } catch {
    // It was beyond use already.
  }
  log.reload(openStore());
  broken = false;
}
