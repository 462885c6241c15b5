/**
 * The power goes while the server works. Its files are rebuilt as a disk could hold them then, from a trace of all its
 * writes and syncs, and the server starts on them: everything that was answered is there, once.
 *
 * Each image has a seed, and a failure says how to make it again. CLAVIGER_POWER_CUT_IMAGES sets how many there are.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  NOTHING_LOST,
  readFiles,
  seededDice,
  UNSYNCED_LOST,
  writeFiles,
  type Dice,
  type Fate,
  type TracedDisk,
} from '../../tools/disk-shim/power-cut.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { checkFacts, checkRecords, factsOf, isLife, type Fact } from '../support/lasting-work.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { servedText, verifyServed } from '../support/served-log.ts';
import { readLog } from '../support/stored-log.ts';
import { CONFIG, NOTHING_TOLD, PHASES, playScene, readScene, toldBefore, type Scene, type Told } from './scenes.ts';

const {
  CLAVIGER_POWER_CUT_IMAGES: IMAGES = '120',
  CLAVIGER_POWER_CUT_SEED: SEED,
  CLAVIGER_POWER_CUT_SCENES: KEPT_SCENES,
} = process.env;
const FIRST_SEED = SEED === undefined ? Math.floor(Math.random() * 1_000_000) : Number(SEED);
/**
 * Answers in the first scene, and in each that begins after a power cut. The first has enough for the thread that moves
 * the write-ahead log into the database beside the writer.
 */
const ANSWERS = [4800, 800, 800] as const;
/** Outputs looked at in each image: the last ones, and others at random. */
const OUTPUTS_LAST = 5;
const OUTPUTS_MORE = 10;

/** Checkpoints that the log must go on from: the last ones that were seen. */
const CHECKPOINTS_LAST = 3;

const FATES: readonly Fate[] = [
  NOTHING_LOST,
  UNSYNCED_LOST,
  { kept: 0.5, torn: 0.5, inOrder: false, names: 'some' },
  { kept: 0.9, torn: 0.5, inOrder: false, names: 'some' },
  { kept: 0.99, torn: 0.5, inOrder: false, names: 'all' },
  { kept: 0.1, torn: 0.5, inOrder: false, names: 'some' },
  { kept: 0.95, torn: 0.9, inOrder: true, names: 'some' },
  { kept: 0, torn: 1, inOrder: false, names: 'all' },
];

let folder: string;
let scenes: readonly Scene[] = [];
let failed = false;

before(() => {
  folder = KEPT_SCENES ?? testFolder();
});
after(() => {
  if (!failed && KEPT_SCENES === undefined) removeFolder(folder);
});

test('a traced server: the trace has every byte that it wrote', async (t) => {
  scenes = KEPT_SCENES === undefined ? await play(t) : ANSWERS.map((_, n) => readScene(join(folder, String(n))));
  for (const [n, scene] of scenes.entries()) {
    const disk = scene.disk();
    for (const record of scene.records) disk.apply(record);
    const traced = disk.cut(Math.random, NOTHING_LOST);
    const real = new Map(readFiles(join(folder, String(n), 'store')));
    // The test itself wrote it.
    real.delete('claviger.yaml');
    assert.deepEqual([...traced.keys()].toSorted(), [...real.keys()].toSorted());
    for (const [path, content] of real) assert.ok(traced.get(path)!.equals(content), `${path} of scene ${n}`);
  }
});

test(`after any of ${IMAGES} power cuts the server starts, and has what it answered, once`, async (t) => {
  if (scenes.length === 0) return t.skip('there is no trace');
  const seeds = Array.from({ length: Number(IMAGES) }, (_, n) => FIRST_SEED + n);
  const counts = { records: 0, answers: 0, unsynced: 0 };
  for (const seed of seeds) {
    const { scene, number, position, fate, dice } = cutOf(seed);
    const disk = replay(scene, position);
    const files = disk.cut(dice, fate);
    const where = `seed ${seed}: scene ${number}, ${scene.phases[position - 1]}, record ${position} of ${scene.records.length}`;
    try {
      const told = toldBefore(scene, position);
      counts.records += await checkImage(`image-${seed}`, files, told, dice);
      counts.answers += told.done.length;
      if (!same(files, disk.cut(dice, UNSYNCED_LOST))) counts.unsynced += 1;
    } catch (error) {
      failed = true;
      const again = `CLAVIGER_POWER_CUT_SCENES=${folder} CLAVIGER_POWER_CUT_SEED=${seed} CLAVIGER_POWER_CUT_IMAGES=1`;
      throw new Error(`${where}: ${(error as Error).message}\nfor the same again, set ${again}`, { cause: error });
    }
  }
  console.log(`seeds ${FIRST_SEED} to ${seeds.at(-1)}: ${JSON.stringify(counts)}`);
});

test('a disk that only said that it had synced is found out: answers are missing', async (t) => {
  if (scenes.length === 0) return t.skip('there is no trace');
  const scene = scenes[0]!;
  const syncs = scene.records.flatMap(({ kind }, n) => (kind === 'synced' && scene.phases[n] === 'load' ? [n] : []));
  for (const part of [0.3, 0.6, 0.9]) {
    const at = Math.floor(syncs.length * part);
    const disk = replay(scene, syncs[at - 20]!);
    disk.lie();
    for (const record of scene.records.slice(syncs[at - 20], syncs[at])) disk.apply(record);
    const files = disk.cut(Math.random, UNSYNCED_LOST);
    const told = toldBefore(scene, syncs[at]!);
    await assert.rejects(
      checkImage(`lied-${at}`, files, told, Math.random),
      /the answered request .* is not in the log/,
    );
  }
});

async function play(t: Parameters<typeof requirePeer>[0]): Promise<readonly Scene[]> {
  const shim = await requirePeer(t, 'disk-shim');
  if (shim === null) return [];
  const played = [await playScene(shim.library, join(folder, '0'), new Map(), NOTHING_TOLD, ANSWERS[0])];
  // And what a power cut has left is where the next begins, so that recoveries are cut off as well.
  for (let n = 1; n < ANSWERS.length; n++) {
    const scene = played[n - 1]!;
    const middle = Math.floor(scene.records.length * (0.4 + Math.random() * 0.4));
    const files = replay(scene, middle).cut(Math.random, FATES[3]!);
    played.push(await playScene(shim.library, join(folder, String(n)), files, toldBefore(scene, middle), ANSWERS[n]!));
  }
  return played;
}

interface Cut {
  readonly scene: Scene;
  readonly number: number;
  /** Records that were written before the power went. */
  readonly position: number;
  readonly fate: Fate;
  readonly dice: Dice;
}

/** Half of the cuts fall into the load, the others into starts and stops, which are short. */
function cutOf(seed: number): Cut {
  const dice = seededDice(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(dice() * from.length)]!;
  const number = dice() < 0.5 ? 0 : Math.floor(dice() * scenes.length);
  const scene = scenes[number]!;
  const phase = dice() < 0.5 ? 'load' : pick(PHASES);
  const position = pick(scene.phases.flatMap((of, n) => (of === phase ? [n + 1] : [])));
  return { scene, number, position, fate: pick(FATES), dice };
}

function replay(scene: Scene, position: number): TracedDisk {
  const disk = scene.disk();
  for (const record of scene.records.slice(0, position)) disk.apply(record);
  return disk;
}

/** Starts a server on the files and fails where it has not what was answered; gives the number of records. */
async function checkImage(
  name: string,
  files: ReadonlyMap<string, Buffer>,
  { done, checkpoints, key }: Told,
  dice: Dice,
): Promise<number> {
  mkdirSync(join(folder, 'images'), { recursive: true });
  const image = join(folder, 'images', name);
  writeFiles(image, files);
  const server = await startTestServer({ folder: image, config: CONFIG });
  try {
    const log = readLog(image);
    checkRecords(log, done);
    await checkFacts(server, chosen(factsOf(done), dice));
    await verifyServed(server, checkpoints.slice(-CHECKPOINTS_LAST), log.length);
    if (key !== null) assert.equal(await servedText(server, 'key'), key);
    return log.length;
  } finally {
    await server.stop();
    removeFolder(image);
  }
}

/** All that became of keys, and some of the ciphertexts and signatures. */
function chosen(facts: readonly Fact[], dice: Dice): readonly Fact[] {
  const outputs = facts.filter((fact) => !isLife(fact));
  const more = Array.from({ length: OUTPUTS_MORE }, () => outputs[Math.floor(dice() * outputs.length)]);
  return [...facts.filter(isLife), ...outputs.slice(-OUTPUTS_LAST), ...more.filter((fact) => fact !== undefined)];
}

function same(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([path, content]) => b.get(path)?.equals(content) ?? false);
}
