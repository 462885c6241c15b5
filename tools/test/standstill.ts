/**
 * What a test process is doing that does not go on: its threads as Linux sees them, and where the JavaScript of each is.
 *
 * A hang that comes once in a hundred runs is not seen again for the asking, so the one run has to say where it stood.
 *
 * @module
 */
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** Node's arguments under which a process can be asked: the inspector then takes a free port. */
export const ASKABLE = ['--inspect-port=0'] as const;

/** Over which the processor time of threads is taken. */
const WATCH_MS = 1000;
const ANSWER_MS_MAX = 3000;
/** Of /proc/…/stat, counted after the name in brackets: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const STATE = 0;
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const FRAMES_MAX = 25;

/**
 * Asks a process, which goes on as before.
 *
 * @param printed what it has written until now; it tells the address of its inspector there
 */
export async function standstill(pid: number, printed: () => string): Promise<string> {
  const [threads, scripts] = await Promise.all([
    threadsOf(pid).catch(String),
    scriptsOf(pid, printed).catch((error: unknown) => [`the inspector cannot be asked: ${String(error)}`]),
  ]);
  return [threads, ...scripts].join('\n');
}

/** Those that have a name of their own or work: `tid name state ticks where-in-the-kernel`. */
async function threadsOf(pid: number): Promise<string> {
  const before = await ticksOf(pid);
  await setTimeout(WATCH_MS);
  const after = await ticksOf(pid);
  const lines = [...after].map(([tid, { name, state, ticks, place }]) => {
    const worked = ticks - (before.get(tid)?.ticks ?? ticks);
    return `${tid} ${name} ${state} ${worked} ${place}`;
  });
  return `threads (id, name, state, hundredths of a second worked in one second, where in the kernel):\n${lines.join('\n')}`;
}

interface ThreadState {
  readonly name: string;
  readonly state: string;
  readonly ticks: number;
  readonly place: string;
}

async function ticksOf(pid: number): Promise<ReadonlyMap<string, ThreadState>> {
  const folder = `/proc/${pid}/task`;
  const found = new Map<string, ThreadState>();
  for (const tid of await readdir(folder)) {
    const text = await readFile(`${folder}/${tid}/stat`, 'utf8').catch(() => null);
    if (text === null) continue;
    const nameEnd = text.lastIndexOf(')');
    const fields = text.slice(nameEnd + 2).split(' ');
    found.set(tid, {
      name: text.slice(text.indexOf('(') + 1, nameEnd),
      state: fields[STATE]!,
      ticks: Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]),
      place: await readFile(`${folder}/${tid}/wchan`, 'utf8').catch(() => '?'),
    });
  }
  return found;
}

/** Where the main thread and each worker stand. */
async function scriptsOf(pid: number, printed: () => string): Promise<readonly string[]> {
  process.kill(pid, 'SIGUSR1');
  let address: string | null = null;
  for (const giveUpMs = performance.now() + ANSWER_MS_MAX; address === null && performance.now() < giveUpMs;) {
    await setTimeout(20);
    const found = [...printed().matchAll(/^Debugger listening on (?<address>ws:\S+)$/gmu)].at(-1);
    address = found?.groups?.['address'] ?? null;
  }
  if (address === null) return ['the inspector does not answer'];
  const inspector = await Inspector.open(address);
  try {
    return await inspector.places();
  } finally {
    inspector.close();
  }
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
}

/** One thread of the process, by the Chrome DevTools Protocol. */
class Thread {
  readonly name: string;
  readonly #send: (message: string) => void;
  readonly #waiting = new Map<number, (result: Record<string, unknown>) => void>();
  readonly #paused = Promise.withResolvers<readonly string[]>();
  readonly #scripts = new Map<string, string>();
  #lastId = 0;

  constructor(name: string, send: (message: string) => void) {
    this.name = name;
    this.#send = send;
  }

  take({ id, method, params, result }: Answer): void {
    if (id !== undefined) this.#waiting.get(id)?.(result ?? {});
    if (method === 'Debugger.scriptParsed') {
      const { scriptId, url } = params as { scriptId: string; url: string };
      this.#scripts.set(scriptId, url);
    } else if (method === 'Debugger.paused') {
      const { callFrames } = params as { callFrames: readonly Frame[] };
      this.#paused.resolve(callFrames.slice(0, FRAMES_MAX).map((frame) => this.#shown(frame)));
    }
  }

  /** Where it is, or what it has open where it is in no JavaScript. */
  async place(): Promise<string> {
    void this.ask('Debugger.enable');
    void this.ask('Debugger.pause');
    const frames = await patient(() => this.#paused.promise);
    // Ends a pause, and one that is still to come.
    void this.ask('Debugger.disable');
    if (frames !== null) return [`${this.name}: is in JavaScript, at`, ...frames].join('\n  ');
    const open = await patient(() => this.ask('Runtime.evaluate', { expression: OPEN, returnByValue: true }));
    if (open === null) return `${this.name}: does not answer`;
    const { value } = open['result'] as { value?: unknown };
    return `${this.name}: is in no JavaScript, and has open: ${String(value)}`;
  }

  #shown({ functionName, location: { scriptId, lineNumber } }: Frame): string {
    return `${functionName || '(no name)'} ${this.#scripts.get(scriptId) ?? ''}:${lineNumber + 1}`;
  }

  ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = (this.#lastId += 1);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send(JSON.stringify({ id, method, params }));
    });
  }
}

interface Frame {
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number };
}

/** What keeps an event loop going. */
const OPEN = `Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (name) => name))
  .map(([name, all]) => name + ' × ' + all.length).join(', ') || 'nothing'`;

class Inspector {
  readonly #socket: WebSocket;
  readonly #main: Thread;
  readonly #workers = new Map<string, Thread>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#main = new Thread('the main thread', (message) => socket.send(message));
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data)) as Answer));
  }

  static async open(address: string): Promise<Inspector> {
    const socket = new WebSocket(address);
    const opened = Promise.withResolvers<boolean>();
    socket.addEventListener('open', () => opened.resolve(true));
    socket.addEventListener('error', () => opened.resolve(false));
    if (await patient(() => opened.promise)) return new Inspector(socket);
    socket.close();
    throw new Error('no connection');
  }

  async places(): Promise<readonly string[]> {
    // Answered by the main thread: where that loops, only its own place is to be had.
    await patient(() => this.#main.ask('NodeWorker.enable', { waitForDebuggerOnStart: false }));
    return Promise.all([this.#main, ...this.#workers.values()].map((thread) => thread.place()));
  }

  close(): void {
    this.#socket.close();
  }

  #take(answer: Answer): void {
    const { method, params } = answer;
    if (method === 'NodeWorker.attachedToWorker') {
      const { sessionId, workerInfo } = params as { sessionId: string; workerInfo: { title: string; url: string } };
      const send = (message: string): void =>
        void this.#main.ask('NodeWorker.sendMessageToWorker', { sessionId, message });
      this.#workers.set(sessionId, new Thread(`${workerInfo.title}, ${workerInfo.url.split('/').at(-1)}`, send));
    } else if (method === 'NodeWorker.receivedMessageFromWorker') {
      const { sessionId, message } = params as { sessionId: string; message: string };
      this.#workers.get(sessionId)?.take(JSON.parse(message) as Answer);
    } else this.#main.take(answer);
  }
}

/** Null where it takes too long. */
async function patient<T>(ask: () => Promise<T>): Promise<T | null> {
  return Promise.race([ask(), setTimeout(ANSWER_MS_MAX, null, { ref: false })]);
}
