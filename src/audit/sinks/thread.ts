/**
 * The thread of the sinks: reads the store over a connection of its own, so that neither the event loop nor the log's
 * writer feels what a receiver does, or how much there is to send.
 *
 * @module
 */
import { hostname } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { SqliteReader } from '../../store/sqlite/reader.ts';
import { LogFollower, type FollowSource } from '../follow.ts';
import { openSink, passes, type SinkWorld } from './open.ts';
import type { SinkOptions } from './options.ts';
import type { FromSinks, SinksStart, ToSinks } from './protocol.ts';
import type { Sink } from './sink.ts';

/** How often the event loop hears how the sinks are. */
const STATUS_EVERY_MS = 500;

const port = parentPort!;
const { sinks, databasePath, logId, version, size: sizeAtStart } = workerData as SinksStart;
const store = new SqliteReader(databasePath);
const followers = new Set<() => void>();
const keeps = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>();
let size = sizeAtStart;
let nextKeep = 0;

const log: Log = { write: (level, message, fields = {}) => tell({ kind: 'log', level, message, fields }) };
const world: SinkWorld = { clock: systemClock, log, hostname: hostname(), pid: process.pid, version };

const source: FollowSource = {
  logId,
  get size() {
    return size;
  },
  follow: (callback) => {
    followers.add(callback);
    return () => void followers.delete(callback);
  },
  recordsFrom: (index, limit) => store.recordsFrom(index, limit),
  cursor: (name) => store.cursor(name),
  // Only the log's writer writes to the store.
  keepCursor: (name, position) =>
    new Promise((resolve, reject) => {
      const id = nextKeep++;
      keeps.set(id, { resolve, reject });
      tell({ kind: 'keep', id, name, position });
    }),
};

const running = sinks.map((options) => {
  const sink = openSink(options, world);
  return { sink, follower: follow(options, sink) };
});
const statusTimer = setInterval(tellStatus, STATUS_EVERY_MS);
tellStatus();

port.on('message', (message: ToSinks) => {
  if (message.kind === 'size') {
    size = message.size;
    for (const follower of followers) follower();
  } else if (message.kind === 'kept') {
    const keep = keeps.get(message.id);
    keeps.delete(message.id);
    if (message.error === null) keep?.resolve();
    else keep?.reject(new Error(message.error));
  } else void stop(message.withinMs);
});

function follow({ name, from = 'beginning', filter }: SinkOptions, sink: Sink): LogFollower {
  return LogFollower.start({
    name: `sink/${name}`,
    source,
    from,
    log,
    ...sink.pace,
    handle: async (batch, signal) => {
      const records = batch.records.filter((record) => passes(filter, record));
      if (records.length > 0) await sink.deliver({ logId, records }, signal);
    },
  });
}

function tellStatus(): void {
  tell({ kind: 'status', statuses: running.map(({ follower }) => follower.status()) });
}

async function stop(withinMs: number): Promise<void> {
  await Promise.all(running.map(({ follower }) => follower.stop(withinMs)));
  clearInterval(statusTimer);
  tellStatus();
  await Promise.allSettled(running.map(({ sink }) => sink.close()));
  store.close();
  port.close();
}

function tell(message: FromSinks): void {
  port.postMessage(message);
}
