/**
 * Verifies a whole log: every record, every checkpoint, every hash tile and every opening, in one pass and in constant
 * memory.
 *
 * Between two checkpoints there is a *stretch* of records. Its records are read and hashed, and each leaf is held against
 * the hash tiles; at its end the signed root decides. Where it is the root of the records, tiles that differ were
 * changed; where it is the root of the tiles, the records were, and the tiles say which. So what is told is the cause,
 * not the first symptom.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClavigerError } from '../../errors.ts';
import { openCheckpoint, type Checkpoint, type NamedCheckpoint } from './checkpoint.ts';
import { diagnose, orderOf, tailCut } from './diagnose.ts';
import { finding, FindingError, MalformedError, type Finding, type FindingKind } from './finding.ts';
import { GrowingTree, HASH_BYTES, leafHash, TILE_WIDTH, type FullTile } from './merkle.ts';
import { cosignedAt, type VerifierKey } from './note.ts';
import { checkOpening, parseOpening } from './openings.ts';
import { LogReader, type Chunk } from './reader.ts';
import { commitsToAnything, parseRecord, type LogRecord } from './record.ts';
import { Redactions } from './redactions.ts';
import type { LogSource } from './source.ts';
import { tilePath } from './tiles.ts';

/** Findings that are told at most; a log that has more is told to have more. */
export const FINDINGS_MAX = 100;
/** A live log that has forgotten openings meanwhile has a checkpoint over the redaction record within a second. */
const CATCH_UP_PAUSE_MS = 1500;
const CATCH_UP_ROUNDS_MAX = 3;

export interface VerifyOptions {
  readonly key: VerifierKey;
  /** Checkpoints that were seen before; the log must go on from each. */
  readonly since?: readonly NamedCheckpoint[];
  /** Witnesses that must have cosigned. */
  readonly witnesses?: readonly VerifierKey[];
  /** Findings after which to stop; 1 where it is not given. */
  readonly findingsMax?: number;
  /** Told about every 256 records. */
  readonly onProgress?: (records: number, of: number) => void;
  /** Waits, between two looks at a live log. */
  readonly sleep?: (ms: number) => Promise<unknown>;
}

export interface LogReport {
  /** What was verified; null where there is no checkpoint to begin with. */
  readonly log: LogSummary | null;
  readonly warnings: readonly string[];
  /** In the order of the log; none where it is whole. */
  readonly findings: readonly Finding[];
}

/** What was looked at, up to the last finding. */
export interface LogSummary {
  readonly origin: string;
  readonly logId: string | null;
  /** Of the newest checkpoint: what was verified. */
  readonly size: number;
  readonly rootHash: string;
  /** The newest checkpoint, as it came: what to keep, and to give as an older one the next time. */
  readonly checkpoint: string;
  readonly checkpoints: number;
  /** Sizes of the older checkpoints that the log goes on from. */
  readonly since: readonly number[];
  readonly records: number;
  readonly batches: number;
  /** Records that are opened, or have nothing to open. */
  readonly opened: number;
  readonly redacted: number;
  /** Time of the last record. */
  readonly lastTime: string | null;
  readonly witnesses: readonly WitnessReport[];
}

export interface WitnessReport {
  readonly name: string;
  /** Size of the newest checkpoint that it cosigned, and when; null where it cosigned none. */
  readonly size: number | null;
  readonly time: string | null;
}

/**
 * Verifies a log with nothing but its key.
 *
 * @throws ClavigerError where the source cannot be read; NOT_FOUND where a server has no log
 */
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<LogReport> {
  const otherKey = await otherKeyOf(source, options.key);
  let newest: Checkpoint;
  try {
    newest = await newestCheckpoint(source, options.key);
  } catch (error) {
    if (!(error instanceof FindingError)) throw error;
    if (source.live && error.finding.kind === 'missing-file') throw noLogAt(source.name);
    return { log: null, warnings: otherKey, findings: [error.finding] };
  }
  const pass = new Pass(source, options, newest);
  try {
    await pass.run();
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  const report = pass.report();
  return { ...report, warnings: [...otherKey, ...report.warnings] };
}

/** A copy holds the key as well. It is never verified by, and yet tells whoever has taken the wrong key, or the wrong copy. */
async function otherKeyOf(source: LogSource, key: VerifierKey): Promise<readonly string[]> {
  const bytes = source.live ? null : await source.read('key');
  if (bytes === null || Buffer.from(bytes).toString().trim() === key.text) return [];
  return [`the \`key\` that lies in ${source.name} is not the key that it is verified by, which has the id ${key.id}`];
}

/** Findings about what lies beside records. */
const BESIDE: ReadonlySet<FindingKind> = new Set([
  'opening-changed',
  'opening-malformed',
  'items-changed',
] satisfies FindingKind[]);

/** Ends a pass: there are as many findings as were asked for, or what follows cannot be looked at. */
class Enough extends Error {}

/** A root that must be that of the tree at a size. */
interface Milestone {
  readonly size: number;
  readonly root: Buffer;
  /** Null for a checkpoint of the list; the name of an older one that was seen before. */
  readonly seenBefore: string | null;
}

async function newestCheckpoint(source: LogSource, key: VerifierKey): Promise<Checkpoint> {
  const bytes = await source.read('checkpoint');
  if (bytes === null) throw new FindingError('missing-file', `there is no \`checkpoint\` in ${source.name}`);
  return openCheckpoint(bytes, key, 'the checkpoint');
}

/** A copy may lack its checkpoint; a server that has none is not one of ours, or is asked at the wrong place. */
function noLogAt(url: string): ClavigerError {
  return new ClavigerError(
    'NOT_FOUND',
    `there is no Claviger log at ${url}: the answer to \`/v1/audit/log/checkpoint\` is 404; give the address of the server itself, as \`claviger login\` has it`,
  );
}

function oldOf(size: number, seen: number, name: string): Finding {
  return finding(
    'old-checkpoint',
    `the newest checkpoint has size ${size}, but ${name} has size ${seen} already`,
    size,
  );
}

/** A copy does not grow: asking again is of no use, and it may be an old one that somebody meant to look at. */
function oldCopyOf(size: number, seen: number, { name, verifiedAt }: NamedCheckpoint): Finding {
  if (verifiedAt === undefined) {
    const next = `give an older checkpoint, or get a newer copy; if this should be the newest one, its tail was cut: keep it, and the checkpoint`;
    return finding('old-checkpoint', `this copy has size ${size}, but ${name} has size ${seen} already`, size, next);
  }
  const message = `this copy is older than what was verified here on ${verifiedAt}: it has size ${size}, and that had size ${seen}`;
  const next = `\`--no-remember\` verifies it by itself; if it should be the newest copy, its tail was cut: keep it, and get another one`;
  return finding('old-checkpoint', message, size, next);
}

class Pass {
  readonly #source: LogSource;
  readonly #reader: LogReader;
  readonly #options: VerifyOptions;
  readonly #findings: Finding[] = [];
  readonly #redactions = new Redactions();
  readonly #seen: Milestone[] = [];
  readonly #witnessed: { size: number; time: number }[];
  #newest: Checkpoint;

  // The stretch.
  /** Over the records; null once a record of the stretch could not be read. */
  #tree: GrowingTree | null = new GrowingTree();
  /** Over the hash tiles, from the first record of the stretch whose leaf differs; null while none does. */
  #tileTree: GrowingTree | null = null;
  #differing: number[] = [];
  #suspects: Finding[] = [];
  /** Older checkpoints at sizes within the stretch, and whose root theirs was. */
  #seenInStretch: { size: number; name: string; fitsRecords: boolean; fitsTiles: boolean }[] = [];
  /** Size of the last checkpoint whose root was that of the records or of the tiles. */
  #settled = 0;

  #position = 0;
  #checkpoints = 0;
  #records = 0;
  #batches = 0;
  #opened = 0;
  #logId: string | null = null;
  #lastTime: string | null = null;
  #sinceSizes: number[] = [];

  constructor(source: LogSource, options: VerifyOptions, newest: Checkpoint) {
    this.#source = source;
    this.#options = options;
    this.#newest = newest;
    this.#reader = new LogReader(source);
    this.#witnessed = (options.witnesses ?? []).map(() => ({ size: -1, time: 0 }));
  }

  async run(): Promise<void> {
    this.#readSeen();
    this.#noteWitnesses(this.#newest);
    await this.#walk(0);
    for (let round = 1; this.#redactions.firstMissing !== null && round <= CATCH_UP_ROUNDS_MAX; round++) {
      if (!(await this.#catchUp())) break;
    }
    this.#requireOpened();
    this.#requireWitnesses();
  }

  report(): LogReport {
    const { origin, size, root, text } = this.#newest;
    const open = this.#redactions.stillOpen;
    const warnings: string[] = [];
    if (open > 0 && !this.#source.live) {
      warnings.push(`${open} records are still open, though a redaction record names them`);
    }
    if (this.#findings.length >= FINDINGS_MAX) warnings.push(`there may be more than ${FINDINGS_MAX} findings`);
    return {
      log: {
        origin,
        logId: this.#logId,
        size,
        rootHash: root.toString('base64'),
        checkpoint: text,
        checkpoints: this.#checkpoints,
        since: this.#sinceSizes,
        records: this.#records,
        batches: this.#batches,
        opened: this.#opened,
        redacted: this.#redactions.redacted,
        lastTime: this.#lastTime,
        witnesses: (this.#options.witnesses ?? []).map(({ name }, at) => {
          const { size, time } = this.#witnessed[at]!;
          return size < 0
            ? { name, size: null, time: null }
            : { name, size, time: new Date(time * 1000).toISOString() };
        }),
      },
      warnings,
      findings: this.#findings,
    };
  }

  /** Older checkpoints: they have to be signed like every other, and the log has to be as long at least. */
  #readSeen(): void {
    for (const seen of this.#options.since ?? []) {
      const { name, note } = seen;
      const older = this.#attempt(() => openCheckpoint(note, this.#options.key, name));
      if (older === null) continue;
      const { size, root } = this.#newest;
      if (older.size > size) {
        this.#add(this.#source.live ? oldOf(size, older.size, name) : oldCopyOf(size, older.size, seen));
      } else if (older.size === size && !older.root.equals(root)) {
        this.#tell('fork', `two checkpoints of size ${size} have different roots: the newest one, and ${name}`);
      } else {
        this.#seen.push({ size: older.size, root: older.root, seenBefore: name });
      }
    }
    this.#seen.sort((a, b) => a.size - b.size);
  }

  /** Goes from where the pass stands to the newest checkpoint. */
  async #walk(afterSize: number): Promise<void> {
    const { size } = this.#newest;
    const milestones = this.#milestones(afterSize);
    let next = await milestones.next();
    const settle = async (): Promise<void> => {
      while (!next.done && next.value.size === this.#position) {
        await this.#settle(next.value);
        next = await milestones.next();
      }
    };
    await settle();
    for await (const chunk of this.#reader.chunks(this.#position, size)) {
      this.#suspectLeaves(chunk);
      if (chunk.hasEntries && !chunk.hasOpenings) {
        this.#suspect('missing-file', `there is no \`${chunk.openingsFile}\``, chunk.from);
      }
      for (let at = chunk.from; at < chunk.to; at++) {
        if (chunk.entry(at) === null && chunk.leaf(at) === null) await this.#endWithout(chunk, at);
        this.#take(chunk, at);
        this.#position += 1;
        if (!next.done && next.value.size === this.#position) await settle();
      }
      if (!chunk.noLeftOver) {
        this.#suspect('record-inserted', `\`${chunk.entriesFile}\` holds more than the records of the log`, chunk.to);
      }
      this.#options.onProgress?.(this.#position, size);
    }
    // All is settled but what stands after the last record.
    this.#flush();
    await this.#compareTiles(this.#tree!.partialTiles());
  }

  /** One record: its leaf against the tiles, then what it says. */
  #take(chunk: Chunk, index: number): void {
    const entry = chunk.entry(index);
    const tile = chunk.leaf(index);
    const leaf = entry === null ? null : leafHash(entry);
    if (leaf === null || (tile !== null && !leaf.equals(tile))) {
      this.#tileTree ??= this.#tree!.clone();
      if (this.#differing.length < FINDINGS_MAX) this.#differing.push(index);
    }
    this.#tileTree?.append(tile ?? leaf!);
    if (leaf === null) this.#tree = null;
    else this.#tree?.append(leaf);
    if (entry !== null) this.#readRecord(chunk, index, entry);
  }

  #suspectLeaves({ leavesBytes, leavesFile, start, from, to }: Chunk): void {
    const bytes = (to - start) * HASH_BYTES;
    if (leavesBytes === null) this.#suspect('missing-file', `there is no \`${leavesFile}\``, from);
    else if (leavesBytes !== bytes) {
      const place = Math.min(to, start + Math.floor(leavesBytes / HASH_BYTES));
      this.#suspect('tile-changed', `\`${leavesFile}\` has ${leavesBytes} bytes in place of ${bytes}`, place);
    }
  }

  /** Neither the record nor its hash is there: nothing can be verified from here on. */
  async #endWithout(chunk: Chunk, index: number): Promise<never> {
    const { size } = this.#newest;
    const cut = await this.#reader.endsAt(index, size);
    // A hash tile that ends where the records end is cut with them.
    if (cut) this.#suspects = this.#suspects.filter((suspect) => suspect.index! < index);
    this.#flush();
    if (cut) return this.#end('tail-cut', tailCut(index, size), index);
    return this.#end('missing-file', `record ${index} is missing, and \`${chunk.leavesFile}\` as well`, index);
  }

  #readRecord(chunk: Chunk, index: number, entry: Buffer): void {
    let record: LogRecord;
    try {
      record = parseRecord(entry);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      return this.#suspect('record-malformed', `record ${index} ${error.message}`, index);
    }
    this.#records += 1;
    if (record.index !== index) return this.#suspectOrder(chunk, index, record.index);
    this.#logId ??= record.logId;
    if (record.logId !== this.#logId) {
      this.#suspect('other-log', `record ${index} is one of the log ${record.logId}, not ${this.#logId}`, index);
    }
    if (this.#lastTime !== null && record.time < this.#lastTime) {
      const message = `record ${index} is of ${record.time}, but the record before it is of ${this.#lastTime}`;
      this.#suspect('time-backwards', message, index);
    }
    // What a record that was changed says of the time does not make the one after it wrong.
    if (this.#differing.at(-1) !== index) this.#lastTime = record.time;
    if (record.items !== undefined) this.#batches += 1;
    // A file that is missing is one finding, and not one for each of its records.
    if (chunk.hasOpenings) this.#readOpening(chunk, index, record);
    if (record.redaction !== undefined) this.#redactions.redact(record.redaction.from, record.redaction.to);
  }

  #readOpening(chunk: Chunk, index: number, record: LogRecord): void {
    const line = chunk.opening(index);
    let closed: readonly string[];
    try {
      closed = checkOpening(record, line === null ? { openings: {}, items: null } : parseOpening(line, index));
    } catch (error) {
      if (error instanceof FindingError) return this.#suspect(error.finding.kind, error.message, index);
      if (!(error instanceof MalformedError)) throw error;
      return this.#suspect('opening-malformed', `the openings of record ${index} ${error.message}`, index);
    }
    if (closed.length === 0) this.#opened += 1;
    if (commitsToAnything(record)) this.#redactions.add(index, closed);
    if (!this.#redactions.bounded) this.#requireOpened();
  }

  /** A record that claims another index than its place. */
  #suspectOrder(chunk: Chunk, index: number, claimed: number): void {
    const [kind, message] = orderOf(index, claimed, (at) => chunk.claimed(at), chunk.to);
    if (this.#suspects.at(-1)?.kind !== kind) this.#suspect(kind, message, index);
  }

  /** At the end of a stretch: its root decides what is right. */
  async #settle({ size, root, seenBefore }: Milestone): Promise<void> {
    const fitsRecords = this.#tree?.root().equals(root) ?? false;
    const fitsTiles = this.#tileTree?.root().equals(root) ?? false;
    if (seenBefore !== null) {
      this.#seenInStretch.push({ size, name: seenBefore, fitsRecords, fitsTiles });
      return;
    }
    if (!fitsRecords && !fitsTiles) this.#endUnsigned(size);
    this.#goesOnFrom(fitsRecords ? 'fitsRecords' : 'fitsTiles');
    if (fitsRecords) await this.#settleTiles(size);
    else await this.#settleRecords(size);
    this.#settled = size;
    this.#tileTree = null;
    this.#differing = [];
  }

  /**
   * Older checkpoints within the stretch: their roots have to be those of the tree that this one signs, too. Hash tiles of
   * a history that was signed anew would otherwise stand in for the records.
   */
  #goesOnFrom(signed: 'fitsRecords' | 'fitsTiles'): void {
    for (const { size, name, ...fits } of this.#seenInStretch) {
      // A tree without differences is the same for both.
      if (fits[signed] || (fits.fitsRecords && (this.#differing[0] ?? size) >= size)) this.#sinceSizes.push(size);
      else this.#tell('rewritten', `the log was rewritten: its first ${size} records are not those of ${name}`);
    }
    this.#seenInStretch = [];
  }

  /** Neither the records nor the hash tiles are what was signed: no later record can be told from a forged one. */
  #endUnsigned(size: number): never {
    // What lies beside a record that is not the signed one says nothing.
    this.#suspects = this.#suspects.filter(({ kind }) => !BESIDE.has(kind));
    this.#flush();
    const [first] = this.#differing;
    const from = this.#settled;
    const which =
      size - from === 1
        ? `record ${from} is not the one that was`
        : `records ${from} to ${size - 1} are not those that were`;
    const where = first === undefined ? '' : `; records and hash tiles differ first at record ${first}`;
    const message = `${which} signed: their tree has another root than the checkpoint of size ${size}${where}`;
    return this.#end('root-differs', message, from);
  }

  /** The records are those that were signed; hash tiles that differ are wrong. */
  async #settleTiles(size: number): Promise<void> {
    const told = new Set<string>();
    for (const index of this.#differing) {
      const tile = Math.floor(index / TILE_WIDTH);
      const file = tilePath('tile/0', tile);
      if (told.has(file)) continue;
      told.add(file);
      const message = `\`${file}\` has another hash for record ${index} than the record`;
      this.#suspects.push(finding('tile-changed', message, index));
    }
    this.#flush(size);
    await this.#compareTiles(this.#tree!.takeFullTiles());
  }

  /** The hash tiles are those that were signed; the records were changed, removed, inserted or moved. */
  async #settleRecords(size: number): Promise<void> {
    const { findings, goesOn } = await diagnose(this.#reader, { differing: this.#differing, size: this.#newest.size });
    // What the records that were changed say for themselves is of no interest any more.
    const wrong = new Set(this.#differing);
    const [first] = this.#differing;
    this.#suspects = this.#suspects.filter(
      ({ index }) => index === null || (goesOn ? !wrong.has(index) : index < first!),
    );
    this.#suspects.push(...findings);
    this.#flush(size);
    if (!goesOn) throw new Enough();
    this.#tree = this.#tileTree!;
    await this.#compareTiles(this.#tree.takeFullTiles());
  }

  /** Tiles above the leaves. */
  async #compareTiles(tiles: readonly FullTile[]): Promise<void> {
    for (const { level, index, bytes } of tiles) {
      const width = bytes.length / HASH_BYTES;
      const file = tilePath(`tile/${level}`, index, width);
      const found = await this.#reader.tile(`tile/${level}`, index, width);
      if (found === null) this.#tell('missing-file', `there is no \`${file}\``);
      else if (!bytes.equals(found)) this.#tell('tile-changed', `\`${file}\` is not what the records make`);
    }
  }

  /** Roots that the tree must have, by size: those of the list, and those that were seen before. */
  async *#milestones(afterSize: number): AsyncGenerator<Milestone> {
    const seen = this.#seen.filter(({ size }) => size > afterSize || afterSize === 0);
    for await (const listed of this.#listed(afterSize)) {
      while (seen.length > 0 && seen[0]!.size <= listed.size) {
        const before = seen.shift()!;
        if (before.size === listed.size && !before.root.equals(listed.root)) {
          const message = `two checkpoints of size ${before.size} have different roots: the one in the list, and ${before.seenBefore!}`;
          this.#tell('fork', message);
        } else yield before;
      }
      yield listed;
    }
    yield* seen;
  }

  /** The list of checkpoints, up to the newest. */
  async *#listed(afterSize: number): AsyncGenerator<Milestone> {
    const newest = this.#newest;
    const lines = await this.#source.checkpoints(afterSize);
    if (lines === null) this.#tell('missing-file', 'there is no list of `checkpoints`');
    let last: Checkpoint | null = null;
    let number = 0;
    for await (const line of lines ?? []) {
      number += 1;
      const found = this.#attempt(() => this.#readLine(line, number));
      if (found === null || found.size < afterSize) continue;
      if (found.size > newest.size) {
        // A live log has gone on since its newest checkpoint was read.
        if (this.#source.live) break;
        const message = `\`checkpoint\` has size ${newest.size}, but the list has one of size ${found.size}`;
        this.#tell('old-checkpoint', message, newest.size);
        break;
      }
      if (last !== null && found.size < last.size) {
        this.#tell('checkpoint-order', `the checkpoint of size ${found.size} stands after that of size ${last.size}`);
        continue;
      }
      if (last !== null && found.size === last.size && !found.root.equals(last.root)) {
        this.#tell('fork', `two checkpoints of size ${found.size} have different roots, in the list`);
        continue;
      }
      if (found.size === newest.size && !found.root.equals(newest.root)) {
        const message = `two checkpoints of size ${found.size} have different roots: the newest one, and the one in the list`;
        this.#tell('fork', message);
        continue;
      }
      last = found;
      this.#checkpoints += 1;
      this.#noteWitnesses(found);
      yield { size: found.size, root: found.root, seenBefore: null };
    }
    if (last?.size === newest.size) return;
    // The list of a server begins above a size, and the empty log has nothing above it.
    if (lines !== null && newest.size > afterSize) {
      const message = `the newest checkpoint, of size ${newest.size}, is not in the list, which ends at ${last?.size ?? 'none'}`;
      this.#tell('checkpoint-unlisted', message);
    }
    yield { size: newest.size, root: newest.root, seenBefore: null };
  }

  #readLine(line: string, number: number): Checkpoint {
    let value: { size?: unknown; note?: unknown } | null;
    try {
      value = JSON.parse(line) as typeof value;
    } catch {
      value = null;
    }
    if (typeof value?.note !== 'string') {
      throw new FindingError('bad-note', `line ${number} of the list of checkpoints is no checkpoint`);
    }
    const found = openCheckpoint(Buffer.from(value.note), this.#options.key, `checkpoint ${number} of the list`);
    if (found.size === value.size) return found;
    throw new FindingError(
      'bad-note',
      `checkpoint ${number} of the list has size ${found.size}, and is listed with another`,
    );
  }

  /** Openings are missing; a live log may have forgotten them since, and has a record of it by now. */
  async #catchUp(): Promise<boolean> {
    const { live } = this.#source;
    if (!live) return false;
    await (this.#options.sleep ?? sleep)(CATCH_UP_PAUSE_MS);
    const newer = await newestCheckpoint(this.#source, this.#options.key).catch((error: unknown) => {
      if (!(error instanceof FindingError)) throw error;
      this.#tell(error.finding.kind, error.message);
      return this.#newest;
    });
    const { size } = this.#newest;
    if (newer.size <= size) return false;
    this.#newest = newer;
    this.#noteWitnesses(newer);
    await this.#walk(size);
    return true;
  }

  #requireOpened(): void {
    const missing = this.#redactions.firstMissing;
    if (missing === null) return;
    const { index, count, closed } = missing;
    const others = count === 1 ? '' : `, nor of ${count - 1} others`;
    const what = closed.map((name) => `\`${name}\``).join(', ');
    const message = `there is no opening of ${what} of record ${index}${others}, and no redaction record accounts for it`;
    this.#tell('opening-missing', message, index);
  }

  #noteWitnesses(checkpoint: Checkpoint): void {
    for (const [at, witness] of (this.#options.witnesses ?? []).entries()) {
      try {
        const time = cosignedAt(checkpoint.note, witness);
        if (time !== null && checkpoint.size >= this.#witnessed[at]!.size) {
          this.#witnessed[at] = { size: checkpoint.size, time };
        }
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
        this.#tell('bad-cosignature', `the checkpoint of size ${checkpoint.size} ${error.message}`);
      }
    }
  }

  #requireWitnesses(): void {
    for (const [at, { name, id }] of (this.#options.witnesses ?? []).entries()) {
      if (this.#witnessed[at]!.size < 0)
        this.#tell('unwitnessed', `the witness \`${name}\` (${id}) cosigned no checkpoint`);
    }
  }

  /** A finding that the end of the stretch will confirm, or explain by another. */
  #suspect(kind: FindingKind, message: string, index: number): void {
    if (this.#suspects.length < FINDINGS_MAX) this.#suspects.push(finding(kind, message, index));
  }

  /** Tells what was suspected of records below an index; the rest waits for its own stretch to end. */
  #flush(below = Infinity): void {
    const suspects = this.#suspects.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0));
    this.#suspects = suspects.filter(({ index }) => (index ?? 0) >= below);
    for (const { kind, message, index } of suspects) {
      if ((index ?? 0) < below) this.#tell(kind, message, index);
    }
  }

  #tell(kind: FindingKind, message: string, index: number | null = null): void {
    this.#add(finding(kind, message, index));
  }

  #add(found: Finding): void {
    this.#findings.push(found);
    if (this.#findings.length >= (this.#options.findingsMax ?? 1)) throw new Enough();
  }

  #end(kind: FindingKind, message: string, index: number): never {
    this.#tell(kind, message, index);
    throw new Enough();
  }

  /** What a function gives; null where it has a finding, which is told. */
  #attempt<T>(read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FindingError)) throw error;
      const { kind, message, index } = error.finding;
      this.#tell(kind, message, index);
      return null;
    }
  }
}
