/**
 * The load: a process that sends requests over a number of connections, one in flight on each, and counts the answers.
 *
 * It is as light as it can be on the machine it shares with the server: requests are bytes that are ready before the
 * clock runs. The first answer is kept, for somebody to check that it is right.
 *
 * @module
 */
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type Answer, type ConnectionEvents } from './connection.ts';
import { cpuTimeOf, cpuTimeSince, machineBusyUs, totalOf, type CpuTime } from './cpu-time.ts';
import { paceOf, type Pace, type PaceOrder, type Sender, type Window } from './pace.ts';
import { requestsOf, type RequestPlan } from './requests.ts';
import { latencyOf, type Latency } from './stats.ts';

/** How long an answer may be late once the clock has stopped. */
const LATE_MS_MAX = 30_000;
/** The longest latency that is told apart, microseconds. */
const LATENCY_US_MAX = 120_000_000;

export interface LoadOrder {
  readonly port: number;
  readonly serverPid: number;
  readonly connections: number;
  readonly pace: PaceOrder;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly plan: RequestPlan;
}

export interface LoadResult {
  /** Answers within the window, whatever their status. */
  readonly answers: number;
  /** Answers from the first request to the last, warm-up included. */
  readonly answersInAll: number;
  /** Status → answers in all. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests that got no answer, or were due and not even sent. */
  readonly unanswered: number;
  readonly windowMs: number;
  /** From when a request was due to the last byte of its answer. */
  readonly latencyMs: Latency;
  /** From when a request was due to when it was sent: 99 of 100 were sooner. 0 where nothing is ever due. */
  readonly lateSentP99Ms: number;
  /** Within the window, microseconds. */
  readonly serverCpu: CpuTime;
  readonly loadCpuUs: number;
  /** Of everything else on the machine. */
  readonly otherCpuUs: number;
  /** What one SigV4 signature cost the load, before the clock ran; 0 where there is none. */
  readonly signingUs: number;
  readonly firstAnswer: { readonly status: number; readonly body: string; readonly sent: string };
}

process.on('message', (order: LoadOrder) => {
  void load(order).then((result) => process.send!(result));
});
process.once('disconnect', () => process.exit());

async function load(order: LoadOrder): Promise<LoadResult> {
  const { requests, signingUs } = requestsOf(order.port, order.plan);
  const begunMs = performance.now();
  const window = { fromMs: begunMs + order.warmUpMs, toMs: begunMs + order.warmUpMs + order.durationMs };
  const run = new Run(window, paceOf(order.pace, inTurn(requests), begunMs, window.toMs));
  const connections = Array.from({ length: order.connections }, () => new Connection(run, order.port));
  await sleep(order.warmUpMs);
  const before = snapshot(order.serverPid);
  await sleep(order.durationMs);
  const after = snapshot(order.serverPid);
  const deadline = performance.now() + LATE_MS_MAX;
  while (connections.some(({ closed }) => !closed) && performance.now() < deadline) await sleep(5);
  const unanswered = connections.filter(({ busy }) => busy).length + run.pace.unsent;
  run.pace.end();
  for (const connection of connections) connection.close();
  const serverCpu = cpuTimeSince(before.server, after.server);
  const loadCpuUs = after.loadUs - before.loadUs;
  return {
    answers: run.answers,
    answersInAll: run.answersInAll,
    statuses: Object.fromEntries(run.statuses),
    unanswered,
    windowMs: order.durationMs,
    latencyMs: latencyOf(run.latency),
    lateSentP99Ms: latencyOf(run.lateSent).p99,
    serverCpu,
    loadCpuUs,
    otherCpuUs: Math.max(0, after.busyUs - before.busyUs - loadCpuUs - totalOf(serverCpu)),
    signingUs,
    firstAnswer: run.firstAnswer,
  };
}

interface Snapshot {
  readonly server: CpuTime;
  readonly loadUs: number;
  readonly busyUs: number;
}

function snapshot(serverPid: number): Snapshot {
  const { user, system } = process.cpuUsage();
  return { server: cpuTimeOf(serverPid), loadUs: user + system, busyUs: machineBusyUs() };
}

/** What all connections count together. */
class Run implements ConnectionEvents {
  readonly pace: Pace;
  readonly latency = createHistogram({ lowest: 1, highest: LATENCY_US_MAX, figures: 3 });
  readonly lateSent = createHistogram({ lowest: 1, highest: LATENCY_US_MAX, figures: 3 });
  readonly statuses = new Map<string, number>();
  readonly #window: Window;
  answers = 0;
  answersInAll = 0;
  firstAnswer = { status: 0, body: '', sent: '' };

  constructor(window: Window, pace: Pace) {
    this.#window = window;
    this.pace = pace;
  }

  free(connection: Sender): void {
    this.pace.free(connection);
  }

  wantsBody(): boolean {
    return this.firstAnswer.status === 0;
  }

  answered({ status, dueMs, sentMs, body, sent }: Answer): void {
    const nowMs = performance.now();
    this.answersInAll += 1;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (nowMs >= this.#window.fromMs && nowMs < this.#window.toMs) this.answers += 1;
    if (this.pace.counts(dueMs, nowMs, this.#window)) {
      record(this.latency, nowMs - dueMs);
      record(this.lateSent, sentMs - dueMs);
    }
    if (body === null || this.firstAnswer.status !== 0) return;
    const request = sent.toString('latin1');
    this.firstAnswer = { status: Number(status), body, sent: request.slice(request.indexOf('\r\n\r\n') + 4) };
  }
}

function record(histogram: { record(value: number): void }, ms: number): void {
  histogram.record(Math.min(LATENCY_US_MAX, Math.max(1, Math.round(ms * 1000))));
}

function inTurn(requests: readonly Buffer[]): () => Buffer {
  let at = -1;
  return () => {
    at = (at + 1) % requests.length;
    return requests[at]!;
  };
}
