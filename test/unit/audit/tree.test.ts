import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { consistencyProof, inclusionProof } from '../../../src/audit/proof.ts';
import { parseHashTilePath, parseTilePath, tilePath } from '../../../src/audit/tiles.ts';
import { Frontier, leafHash, split, TILE_WIDTH, treeHead, type TileHash } from '../../../src/audit/tree.ts';
import { bufferBytes, usePoolUp } from '../../support/held-bytes.ts';

/** A tree that is held whole, with its hashes as a store has them. */
class WholeTree {
  readonly leaves: Buffer[] = [];
  readonly levels: Buffer[][] = [this.leaves];
  frontier = Frontier.empty();

  static of(size: number): WholeTree {
    const tree = new WholeTree();
    for (let at = 0; at < size; at++) tree.append();
    return tree;
  }

  append(): void {
    const leaf = leafHash(Buffer.from(`entry ${this.leaves.length}`));
    this.leaves.push(leaf);
    this.frontier.append(leaf, ({ level, index, hash }: TileHash) => {
      const hashes = (this.levels[level] ??= []);
      assert.equal(hashes.length, index, `hash ${index} of level ${level} comes in its turn`);
      hashes.push(hash);
    });
  }

  treeHashes = (level: number, from: number, count: number): Uint8Array =>
    Buffer.concat((this.levels[level] ?? []).slice(from, from + count));

  read = async (level: number, from: number, count: number): Promise<Uint8Array> => this.treeHashes(level, from, count);
}

const SIZES = [0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537];
const big = WholeTree.of(66_000);

describe('a frontier', () => {
  for (const size of SIZES) {
    test(`of ${size} leaves that is made from the store has the root over them, and goes on as the grown one`, () => {
      const frontier = Frontier.at(size, big);
      assert.equal(frontier.size, size);
      assert.deepEqual(frontier.root(), treeHead(big.leaves.slice(0, size)));
      const completed: TileHash[] = [];
      for (const leaf of big.leaves.slice(size, size + 300)) frontier.append(leaf, (hash) => completed.push(hash));
      assert.deepEqual(frontier.root(), treeHead(big.leaves.slice(0, size + 300)));
      for (const { level, index, hash } of completed) assert.deepEqual(hash, big.levels[level]![index]);
    });
  }

  test('gives the root of each complete subtree of 256 and of 65,536 leaves', () => {
    assert.equal(big.levels[1]!.length, 257);
    assert.deepEqual(big.levels[1]![3], treeHead(big.leaves.slice(3 * TILE_WIDTH, 4 * TILE_WIDTH)));
    assert.deepEqual(big.levels[2], [treeHead(big.leaves.slice(0, 65_536))]);
  });

  test('holds its hashes and nothing else, however long ago they were made', () => {
    const before = bufferBytes();
    const frontier = Frontier.empty();
    for (let at = 1; at < 2 ** 14; at++) {
      frontier.append(leafHash(Buffer.from(`entry ${at}`)), () => undefined);
      if (at % TILE_WIDTH === 0) usePoolUp();
    }
    usePoolUp();
    const held = bufferBytes() - before;
    assert.ok(held < 2 * Buffer.poolSize, `${held} bytes for 14 hashes`);
    assert.equal(frontier.size, 2 ** 14 - 1);
  });

  test('that is copied does not grow with its copy', () => {
    const tree = WholeTree.of(5);
    const root = tree.frontier.root();
    tree.frontier.copy().append(leafHash(Buffer.from('x')), () => undefined);
    assert.deepEqual(tree.frontier.root(), root);
  });

  test('is not made where the store lacks a hash', () => {
    const lacking = {
      treeHashes: (level: number, from: number, count: number) => big.treeHashes(level, from, count - 1),
    };
    assert.throws(() => Frontier.at(700, lacking), /hashes of level/);
  });
});

describe('a proof of inclusion', () => {
  test('leads from every leaf of small trees to the root, by the algorithm of RFC 9162, section 2.1.3.2', async () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const path = await inclusionProof(big.read, index, size);
        assert.ok(included(big.leaves[index]!, index, size, path, treeHead(big.leaves.slice(0, size))));
      }
    }
  });

  test('of any leaf in a large tree verifies, and no other leaf does with it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: big.leaves.length }), fc.nat(), async (size, at) => {
        const index = at % size;
        const path = await inclusionProof(big.read, index, size);
        const root = Frontier.at(size, big).root();
        assert.ok(included(big.leaves[index]!, index, size, path, root));
        assert.ok(!included(leafHash(Buffer.from('another')), index, size, path, root));
      }),
      { numRuns: 200 },
    );
  });
});

describe('a proof of consistency', () => {
  test('joins every two sizes of small trees, by the algorithm of RFC 9162, section 2.1.4.2', async () => {
    for (let size = 1; size <= 40; size++) {
      for (let old = 1; old <= size; old++) {
        const path = await consistencyProof(big.read, old, size);
        const roots = [treeHead(big.leaves.slice(0, old)), treeHead(big.leaves.slice(0, size))] as const;
        assert.ok(consistent(old, size, path, ...roots), `${old} to ${size}`);
      }
    }
  });

  test('joins any two sizes of a large tree, and no other root', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: big.leaves.length }), fc.nat(), async (size, at) => {
        const old = 1 + (at % size);
        const path = await consistencyProof(big.read, old, size);
        const roots = [Frontier.at(old, big).root(), Frontier.at(size, big).root()] as const;
        assert.ok(consistent(old, size, path, ...roots));
        if (old < size) assert.ok(!consistent(old, size, path, leafHash(Buffer.of(1)), roots[1]));
      }),
      { numRuns: 200 },
    );
  });
});

describe('a path of a tile', () => {
  for (const [place, path] of [
    [{ index: 0, width: 256 }, '000'],
    [{ index: 5, width: 112 }, '005.p/112'],
    [{ index: 273, width: 256 }, '273'],
    [{ index: 1_234_067, width: 256 }, 'x001/x234/067'],
    [{ index: 1_000, width: 1 }, 'x001/000.p/1'],
  ] as const) {
    test(`of tile ${place.index} with ${place.width} is ${path}, and reads back`, () => {
      assert.equal(tilePath(place), path);
      assert.deepEqual(parseTilePath(path), place);
    });
  }

  test('has one form only', () => {
    const others = [
      '',
      '0',
      '00',
      '0000',
      'x000/001',
      '001.p/0',
      '001.p/256',
      '001.p/257',
      '001.p/01',
      '-01',
      '001/',
      'x001',
      '001.p',
    ];
    for (const other of others) assert.equal(parseTilePath(other), null, other);
    for (const other of ['6/000', '00/000', '/000', 'a/000', '0/0', '0'])
      assert.equal(parseHashTilePath(other), null, other);
    assert.deepEqual(parseHashTilePath('1/x001/067.p/9'), { level: 1, index: 1067, width: 9 });
  });

  test('that is any text never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void (parseHashTilePath(text), parseTilePath(text))));
  });
});

test('joined hashes are split where they were joined', () => {
  const hashes = big.leaves.slice(0, 3);
  assert.deepEqual(split(Buffer.concat(hashes)), hashes);
});

// The verification of RFC 9162, written as its text has it, apart from the code under test.

function node(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}

function included(leaf: Buffer, index: number, size: number, path: readonly Buffer[], root: Buffer): boolean {
  let fn = index;
  let sn = size - 1;
  let r = leaf;
  for (const p of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      r = node(p, r);
      while (fn % 2 === 0 && fn !== 0) {
        fn >>>= 1;
        sn >>>= 1;
      }
    } else r = node(r, p);
    fn >>>= 1;
    sn >>>= 1;
  }
  return sn === 0 && r.equals(root);
}

function consistent(
  first: number,
  second: number,
  given: readonly Buffer[],
  firstRoot: Buffer,
  secondRoot: Buffer,
): boolean {
  if (first === second) return given.length === 0 && firstRoot.equals(secondRoot);
  const path = Number.isInteger(Math.log2(first)) ? [firstRoot, ...given] : [...given];
  let fn = first - 1;
  let sn = second - 1;
  while (fn % 2 === 1) {
    fn >>>= 1;
    sn >>>= 1;
  }
  let fr = path[0]!;
  let sr = path[0]!;
  for (const c of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = node(c, fr);
      sr = node(c, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn >>>= 1;
        sn >>>= 1;
      }
    } else sr = node(sr, c);
    fn >>>= 1;
    sn >>>= 1;
  }
  return sn === 0 && fr.equals(firstRoot) && sr.equals(secondRoot);
}
