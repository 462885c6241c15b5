/**
 * The load: a process that keeps a number of connections busy, one request in flight on each.
 *
 * It is as light as it can be on the machine it shares with the server: requests are bytes that are ready before the
 * clock runs, and of an answer only the status and `Content-Length` are read. The first answer is kept, for somebody
 * to check that it is right.
 *
 * @module
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { signingKey } from '../src/auth/sigv4.ts';
import { cpuTimeOf, cpuTimeSince, machineBusyUs, type CpuTime } from './cpu-time.ts';

/** Signed requests that are ready before the clock runs; a server that kept answers could not keep these. */
const SIGNED_REQUESTS = 4096;
/** How long an answer may be late once the clock has stopped. */
const LATE_MS_MAX = 30_000;
/** An answer's head is far shorter. */
const CHUNK_BYTES = 64 * 1024;

export type RequestPlan =
  /** The same request every time. */
  | { readonly kind: 'rest'; readonly path: string; readonly token: string; readonly body: string }
  /** A KMS `Sign` of another message each, signed with SigV4. */
  | {
      readonly kind: 'aws-sign';
      readonly keyId: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly region: string;
    };

export interface LoadOrder {
  readonly port: number;
  readonly serverPid: number;
  readonly connections: number;
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
  /** Requests that got no answer. */
  readonly unanswered: number;
  readonly windowMs: number;
  readonly latencyMs: { readonly mean: number; readonly p50: number; readonly p99: number; readonly max: number };
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
  const { requests, signingUs } = requestsOf(order);
  const run = new Run(requests);
  const connections = Array.from({ length: order.connections }, () => new Connection(run, order.port));
  await sleep(order.warmUpMs);
  const before = snapshot(order.serverPid);
  run.begin();
  await sleep(order.durationMs);
  run.end();
  const after = snapshot(order.serverPid);
  const windowMs = after.atMs - before.atMs;
  const deadline = performance.now() + LATE_MS_MAX;
  while (connections.some(({ closed }) => !closed) && performance.now() < deadline) await sleep(5);
  const serverCpu = cpuTimeSince(before.server, after.server);
  const loadCpuUs = after.loadUs - before.loadUs;
  const serverUs = serverCpu.main + serverCpu.workers + serverCpu.others;
  const { latency } = run;
  return {
    answers: run.answers,
    answersInAll: run.answersInAll,
    statuses: Object.fromEntries(run.statuses),
    unanswered: connections.filter(({ unanswered }) => unanswered).length,
    windowMs,
    latencyMs: {
      mean: latency.mean / 1000,
      p50: latency.percentile(50) / 1000,
      p99: latency.percentile(99) / 1000,
      max: latency.max / 1000,
    },
    serverCpu,
    loadCpuUs,
    otherCpuUs: Math.max(0, after.busyUs - before.busyUs - loadCpuUs - serverUs),
    signingUs,
    firstAnswer: run.firstAnswer,
  };
}

interface Snapshot {
  readonly atMs: number;
  readonly server: CpuTime;
  readonly loadUs: number;
  readonly busyUs: number;
}

function snapshot(serverPid: number): Snapshot {
  const { user, system } = process.cpuUsage();
  return { server: cpuTimeOf(serverPid), loadUs: user + system, busyUs: machineBusyUs(), atMs: performance.now() };
}

/** What all connections count together. */
class Run {
  readonly latency = createHistogram({ lowest: 1, highest: 120_000_000, figures: 3 });
  readonly statuses = new Map<string, number>();
  readonly #requests: readonly Buffer[];
  #next = 0;
  #counting = false;
  #over = false;
  answers = 0;
  answersInAll = 0;
  firstAnswer = { status: 0, body: '', sent: '' };

  constructor(requests: readonly Buffer[]) {
    this.#requests = requests;
  }

  begin(): void {
    this.#counting = true;
  }

  end(): void {
    this.#counting = false;
    this.#over = true;
  }

  /** The next request, or null once it is over. */
  next(): Buffer | null {
    if (this.#over) return null;
    const request = this.#requests[this.#next]!;
    this.#next = (this.#next + 1) % this.#requests.length;
    return request;
  }

  answered(status: string, sentAt: number): void {
    this.answersInAll += 1;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (!this.#counting) return;
    this.answers += 1;
    this.latency.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)));
  }
}

/** Filled by every connection in turn: what was read is used up before the next read. */
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);

/** One connection: sends, waits for the whole answer, sends again. */
class Connection {
  readonly #run: Run;
  readonly #socket: Socket;
  /** The request that is in flight. */
  #sent: Buffer | null = null;
  #sentAt = 0;
  /** What has come of a head that is not whole. */
  #head = '';
  /** Bytes of the body that are still to come; null while the head is. */
  #left: number | null = null;
  #status = '';
  /** Parts of the first answer's body; null on every other. */
  #kept: string[] | null = null;
  closed = false;

  constructor(run: Run, port: number) {
    this.#run = run;
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: chunk,
        callback: (length) => {
          this.#take(length);
          return true;
        },
      },
    });
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.closed = true;
    });
  }

  get unanswered(): boolean {
    return this.#sent !== null;
  }

  #send(): void {
    this.#sent = this.#run.next();
    if (this.#sent === null) {
      this.#socket.destroy();
      return;
    }
    this.#sentAt = performance.now();
    this.#socket.write(this.#sent);
  }

  #take(length: number): void {
    let from = 0;
    if (this.#left === null) {
      const text = this.#head + chunk.toString('latin1', 0, length);
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) {
        this.#head = text;
        return;
      }
      from = end + 4 - this.#head.length;
      this.#head = '';
      this.#status = text.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
      this.#left = contentLength(text, end);
      if (this.#run.firstAnswer.status === 0) {
        this.#run.firstAnswer.status = Number(this.#status);
        this.#kept = [];
      }
    }
    this.#kept?.push(chunk.toString('latin1', from, length));
    this.#left -= length - from;
    if (this.#left > 0) return;
    if (this.#kept !== null) this.#keep(this.#kept.join(''));
    this.#left = null;
    this.#run.answered(this.#status, this.#sentAt);
    this.#send();
  }

  #keep(body: string): void {
    const sent = this.#sent!.toString('latin1');
    this.#run.firstAnswer = { status: Number(this.#status), body, sent: sent.slice(sent.indexOf('\r\n\r\n') + 4) };
    this.#kept = null;
  }
}

function contentLength(text: string, end: number): number {
  const match = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end));
  if (match === null) throw new Error(`an answer without Content-Length: ${text.slice(0, end)}`);
  return Number(match[1]);
}

interface Requests {
  readonly requests: readonly Buffer[];
  readonly signingUs: number;
}

function requestsOf({ port, plan }: LoadOrder): Requests {
  const host = `127.0.0.1:${port}`;
  if (plan.kind === 'rest') {
    const headers = { host, 'content-type': 'application/json', authorization: `Bearer ${plan.token}` };
    return { requests: [httpRequest(plan.path, headers, plan.body)], signingUs: 0 };
  }
  const begun = process.cpuUsage();
  const sign = awsSigner(host, plan);
  const requests = Array.from({ length: SIGNED_REQUESTS }, sign);
  const { user, system } = process.cpuUsage(begun);
  return { requests, signingUs: (user + system) / SIGNED_REQUESTS };
}

/** Signs as an SDK does, with the day's key at hand. */
function awsSigner(host: string, plan: RequestPlan & { readonly kind: 'aws-sign' }): () => Buffer {
  const { keyId, accessKeyId, secretAccessKey, region } = plan;
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${region}/kms/aws4_request`;
  const key = signingKey(secretAccessKey, time.slice(0, 8), region, 'kms');
  const type = 'application/x-amz-json-1.1';
  const target = 'TrentService.Sign';
  const names = 'content-type;host;x-amz-date;x-amz-target';
  return () => {
    const Message = randomBytes(32).toString('base64');
    const body = JSON.stringify({ KeyId: keyId, Message, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' });
    const lines = `content-type:${type}\nhost:${host}\nx-amz-date:${time}\nx-amz-target:${target}\n`;
    const toHash = `POST\n/\n\n${lines}\n${names}\n${sha256(body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(toHash)}`;
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    const credential = `Credential=${accessKeyId}/${scope}`;
    const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`;
    const headers = { host, 'content-type': type, 'x-amz-date': time, 'x-amz-target': target, authorization };
    return httpRequest('/', headers, body);
  };
}

function httpRequest(path: string, headers: Readonly<Record<string, string>>, body: string): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
