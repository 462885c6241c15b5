/** Trees and proofs against RFC 6962's own definition, as test/support/log-fixture.ts writes it down. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  GrowingTree,
  leafHash,
  provesConsistency,
  provesInclusion,
  rootOf,
} from '../../../../src/audit/verifier/merkle.ts';
import { consistencyPath, inclusionPath, treeHead, treeHeads } from '../../../support/log-fixture.ts';

const SIZE_MAX = 600;
const LEAVES = Array.from({ length: SIZE_MAX }, (_, index) => leafHash(Buffer.from(`record ${index}`)));
const HEADS = treeHeads(LEAVES);
const size = fc.integer({ min: 1, max: SIZE_MAX });
const RUNS = { numRuns: 200 };

describe('a growing tree', () => {
  test('has the root of RFC 6962 at every size', () => {
    const tree = new GrowingTree();
    for (const [index, leaf] of LEAVES.entries()) {
      assert.deepEqual(tree.root(), HEADS[index]);
      // The recursion of the RFC itself, as far as it does not take long.
      if (index <= 130) assert.deepEqual(tree.root(), treeHead(LEAVES.slice(0, index)));
      tree.append(leaf);
    }
    assert.deepEqual(tree.root(), treeHead(LEAVES));
  });

  test('goes on from a copy without touching what it was copied from', () => {
    const tree = new GrowingTree();
    for (const leaf of LEAVES.slice(0, 300)) tree.append(leaf);
    const copy = tree.clone();
    for (const leaf of LEAVES.slice(300)) copy.append(leaf);
    assert.deepEqual(tree.root(), HEADS[300]);
    assert.deepEqual(copy.root(), HEADS[SIZE_MAX]);
    assert.deepEqual([tree.partialTiles()[0]!.bytes.length, copy.partialTiles()[0]!.bytes.length], [32, 64]);
  });

  test('gives the tiles of tlog-tiles: of 70,000 leaves a full one at level 1, and partial ones of 17 and 1', () => {
    const tree = new GrowingTree();
    const leaves = Array.from({ length: 70_000 }, () => randomBytes(32));
    for (const leaf of leaves) tree.append(leaf);
    const [full, ...others] = tree.takeFullTiles();
    assert.deepEqual(others, []);
    assert.deepEqual([full!.level, full!.index, full!.bytes.length], [1, 0, 256 * 32]);
    assert.deepEqual(full!.bytes.subarray(32, 64), treeHead(leaves.slice(256, 512)));
    const shape = tree.partialTiles().map(({ level, index, bytes }) => [level, index, bytes.length / 32]);
    assert.deepEqual(shape, [
      [1, 1, 17],
      [2, 0, 1],
    ]);
    assert.deepEqual(tree.partialTiles()[1]!.bytes, treeHead(leaves.slice(0, 65_536)));
    assert.deepEqual(tree.takeFullTiles(), []);
  });
});

describe('a proof of inclusion', () => {
  const place = size.chain((size) => fc.record({ size: fc.constant(size), index: fc.nat({ max: size - 1 }) }));
  const proofOf = (index: number, size: number) => ({
    index,
    size,
    leaf: Buffer.from(LEAVES[index]!),
    hashes: inclusionPath(index, LEAVES.slice(0, size)),
    root: Buffer.from(HEADS[size]!),
  });

  test('holds for every record of every small tree, and of random large ones', () => {
    for (let size = 1; size <= 20; size++) {
      for (let index = 0; index < size; index++)
        assert.ok(provesInclusion(proofOf(index, size)), `${index} of ${size}`);
    }
    fc.assert(
      fc.property(place, ({ index, size }) => provesInclusion(proofOf(index, size))),
      RUNS,
    );
  });

  test('fails with any bit changed, in leaf, hashes or root', () => {
    fc.assert(
      fc.property(place, fc.nat(), ({ index, size }, bit) => {
        const proof = proofOf(index, size);
        return !provesInclusion(withBit(proof, [proof.leaf, proof.root, ...proof.hashes], bit));
      }),
      RUNS,
    );
  });

  test('fails for another index, another size, and with a hash more or less', () => {
    fc.assert(
      fc.property(place, size, ({ index, size }, other) => {
        const proof = proofOf(index, size);
        const elsewhere = (other + index) % size;
        const wrong = [
          { ...proof, hashes: [...proof.hashes, HEADS[1]!] },
          ...(size === 1
            ? []
            : [
                { ...proof, hashes: proof.hashes.slice(1) },
                { ...proof, hashes: [] },
              ]),
          ...(elsewhere === index ? [] : [{ ...proof, index: elsewhere }]),
        ];
        return wrong.every((one) => !provesInclusion(one));
      }),
      RUNS,
    );
  });

  test('fails for what is no place in a tree, and for hashes that are none', () => {
    const proof = proofOf(2, 5);
    for (const wrong of [
      { index: -1 },
      { index: 5 },
      { index: 1.5 },
      { index: Number.NaN },
      { size: 0 },
      { size: 2 ** 53 },
      { leaf: Buffer.alloc(31) },
      { root: Buffer.alloc(0) },
      { hashes: proof.hashes.map((hash) => hash.subarray(1)) },
    ]) {
      assert.equal(provesInclusion({ ...proof, ...wrong }), false, JSON.stringify(wrong));
    }
  });
});

describe('a proof of consistency', () => {
  const pair = size.chain((to) => fc.record({ to: fc.constant(to), from: fc.nat({ max: to }) }));
  const proofOf = (from: number, to: number) => ({
    from,
    to,
    hashes: consistencyPath(from, LEAVES.slice(0, to)),
    fromRoot: Buffer.from(HEADS[from]!),
    toRoot: Buffer.from(HEADS[to]!),
  });

  test('holds between all small trees, and random large ones', () => {
    for (let to = 1; to <= 20; to++) {
      for (let from = 0; from <= to; from++) assert.ok(provesConsistency(proofOf(from, to)), `${from} to ${to}`);
    }
    fc.assert(
      fc.property(pair, ({ from, to }) => provesConsistency(proofOf(from, to))),
      RUNS,
    );
  });

  test('fails with any bit changed, in hashes or roots', () => {
    fc.assert(
      fc.property(pair, fc.nat(), ({ from, to }, bit) => {
        const proof = proofOf(from, to);
        // The empty tree proves nothing about the root of the larger one: it is the beginning of any.
        const parts = from === 0 && to > 0 ? [proof.fromRoot] : [proof.fromRoot, proof.toRoot, ...proof.hashes];
        return !provesConsistency(withBit(proof, parts, bit));
      }),
      RUNS,
    );
  });

  test('fails with a hash more or less, and for other sizes', () => {
    fc.assert(
      fc.property(pair, ({ from, to }) => {
        const proof = proofOf(from, to);
        return (
          !provesConsistency({ ...proof, hashes: [...proof.hashes, HEADS[1]!] }) &&
          (proof.hashes.length === 0 || !provesConsistency({ ...proof, hashes: proof.hashes.slice(0, -1) })) &&
          (from === to || !provesConsistency({ ...proof, from: to, to: from }))
        );
      }),
      RUNS,
    );
    assert.equal(provesConsistency({ ...proofOf(3, 7), hashes: [] }), false);
    assert.equal(provesConsistency({ ...proofOf(3, 7), from: 2 }), false);
    assert.equal(provesConsistency({ ...proofOf(3, 7), from: -1 }), false);
  });
});

describe('vectors of Certificate Transparency (google/certificate-transparency, merkletree tests)', () => {
  const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const leaves = inputs.map((hex) => leafHash(Buffer.from(hex, 'hex')));
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ].map((hex) => Buffer.from(hex, 'hex'));

  test('tree heads of 0 to 8 leaves', () => {
    for (const [size, root] of roots.entries()) assert.deepEqual(rootOf(leaves.slice(0, size)), root);
  });

  test('proofs of inclusion', () => {
    for (const [index, size, ...path] of [
      [0, 1],
      [
        0,
        8,
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
      [
        5,
        8,
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
      [2, 3, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
    ] as const) {
      const hashes = path.map((hex) => Buffer.from(hex, 'hex'));
      assert.ok(
        provesInclusion({ index, size, leaf: leaves[index]!, hashes, root: roots[size]! }),
        `${index} of ${size}`,
      );
    }
  });

  test('proofs of consistency', () => {
    for (const [from, to, ...path] of [
      [1, 1],
      [
        1,
        8,
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
      [
        6,
        8,
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ] as const) {
      const hashes = path.map((hex) => Buffer.from(hex, 'hex'));
      const proof = { from, to, hashes, fromRoot: roots[from]!, toRoot: roots[to]! };
      assert.ok(provesConsistency(proof), `${from} to ${to}`);
    }
  });
});

/** The same with one bit of one of its parts changed. */
function withBit<T extends object>(proof: T, parts: readonly Uint8Array[], bit: number): T {
  const part = parts[bit % parts.length]!;
  const at = Math.floor(bit / parts.length) % 256;
  const changed = Buffer.from(part);
  changed[at >> 3]! ^= 1 << (at & 7);
  const replaced = (value: unknown): unknown =>
    value === part ? changed : Array.isArray(value) ? value.map(replaced) : value;
  return Object.fromEntries(Object.entries(proof).map(([name, value]) => [name, replaced(value)])) as T;
}
