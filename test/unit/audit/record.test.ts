import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { sealRecord, type Placement, type RecordDraft } from '../../../src/audit/record.ts';
import { leafHash, nodeHash, treeHead } from '../../../src/audit/tree.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { draft } from './jobs.ts';

const AT: Placement = {
  logId: '8c3f1e0a-5b7d-4a2f-9d6c-1f2e3d4c5b6a',
  index: 7,
  timeMs: Date.parse('2026-01-31T12:00:00.250Z'),
  latencyUs: 613,
  outcome: 'OK',
};

describe('RFC 6962', () => {
  // Inputs and roots are those of the reference tests of certificate-transparency (merkletree).
  const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const ROOTS = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  for (const [count, root] of ROOTS.entries()) {
    test(`the tree head over the first ${count} reference leaves is the reference root`, () => {
      const leaves = LEAVES.slice(0, count).map((hex) => leafHash(Buffer.from(hex, 'hex')));
      assert.equal(treeHead(leaves).toString('hex'), root);
    });
  }

  test('a leaf and a node of the same bytes have different hashes', () => {
    const half = Buffer.alloc(32, 1);
    assert.notDeepEqual(leafHash(Buffer.concat([half, half])), nodeHash(half, half));
  });
});

describe('an entry', () => {
  test('has its fields in the order of the format, and leaves out what has no value', () => {
    const { entry } = sealRecord(draft({ context: { shop: '1' } }), AT, systemRandom);
    assert.deepEqual(Object.keys(parsed(entry)), [
      'v',
      'logId',
      'index',
      'time',
      'phase',
      'tenant',
      'principal',
      'source',
      'operation',
      'key',
      'keyVersion',
      'provider',
      'algorithm',
      'context',
      'policies',
      'outcome',
      'requestId',
      'latencyUs',
    ]);
  });

  test('with every field has them in the order of the format', () => {
    const all: RecordDraft = draft({
      backing: 'b',
      failovers: ['a'],
      missingHomes: ['c'],
      digest: 'AAAA',
      context: { a: '1' },
      destinationContext: { b: '2' },
      resource: 'alias/x',
      items: [{ keyVersion: 1, algorithm: null, digest: null, outcome: 'OK' }],
    });
    const { entry } = sealRecord(all, AT, systemRandom);
    const between = Object.keys(parsed(entry)).slice(11, -1);
    assert.deepEqual(between, [
      'provider',
      'backing',
      'failovers',
      'missingHomes',
      'algorithm',
      'digest',
      'context',
      'destinationContext',
      'resource',
      'policies',
      'outcome',
      'requestId',
      'latencyUs',
    ]);
    assert.equal(Object.keys(parsed(entry)).at(-1), 'items');
  });

  test('holds hashes where a person or a text could be named, and opens to what was there', () => {
    const secret = draft({
      principal: 'alice@example.org',
      source: '192.0.2.7',
      context: { patient: 'Müller' },
      resource: 'alias/payroll',
      digest: Buffer.alloc(32, 9).toString('base64'),
    });
    const { entry, openings } = sealRecord(secret, AT, systemRandom);
    for (const text of ['alice', '192.0.2.7', 'patient', 'Müller', 'payroll', secret.digest!]) {
      assert.ok(!entry.includes(text), `the entry shows ${text}`);
    }
    const opened = JSON.parse(openings) as Record<string, [string, string]>;
    assert.deepEqual(Object.fromEntries(Object.entries(opened).map(([name, [, value]]) => [name, value])), {
      principal: 'alice@example.org',
      source: '192.0.2.7',
      digest: secret.digest,
      context: '{"patient":"Müller"}',
      resource: 'alias/payroll',
    });
    const [salt, value] = opened['source']!;
    const commitment = createHash('sha256').update(Buffer.from(salt, 'base64')).update(value).digest('base64');
    assert.equal(parsed(entry)['source'], commitment);
  });

  test('of the same draft is another each time: salts are fresh, for each field its own', () => {
    const both = [1, 2].map(() => sealRecord(draft(), AT, systemRandom));
    assert.notEqual(both[0]!.openings, both[1]!.openings);
    assert.notDeepEqual(both[0]!.leaf, both[1]!.leaf);
    const salts = both.flatMap(({ openings }) =>
      Object.values(JSON.parse(openings) as Record<string, [string]>).map(([salt]) => salt),
    );
    assert.equal(new Set(salts).size, salts.length);
  });

  test('of an intent has the outcome null', () => {
    const { entry } = sealRecord(draft({ phase: 'intent' }), { ...AT, outcome: null }, systemRandom);
    assert.equal(parsed(entry)['outcome'], null);
  });

  test('without an encryption context commits to none, an empty one is none', () => {
    for (const context of [null, {}]) {
      const { entry, openings } = sealRecord(draft({ context }), AT, systemRandom);
      assert.ok(!('context' in parsed(entry)));
      assert.ok(!('context' in (JSON.parse(openings) as object)));
    }
  });

  test('with the largest context and the longest texts stays under 65,536 bytes', () => {
    const context = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`${n}`.padEnd(64, 'k'), 'v'.repeat(64)]));
    const large = draft({
      context,
      destinationContext: context,
      policies: Array.from({ length: 64 }, () => 'p'.repeat(200)),
    });
    assert.ok(sealRecord(large, AT, systemRandom).entry.length < 65_536);
  });
});

describe('a batch', () => {
  const items = [
    { keyVersion: 2, algorithm: 'ECDSA_SHA_256', digest: 'AAAA', outcome: 'OK' },
    { keyVersion: null, algorithm: 'ECDSA_SHA_256', digest: null, outcome: 'INVALID_ARGUMENT' },
    { keyVersion: 2, algorithm: 'ECDSA_SHA_256', digest: 'BBBB', outcome: 'OK' },
  ];

  test('says how many items there were and how many failed, and commits to each under one root', () => {
    const { entry, items: stored } = sealRecord(draft({ items }), AT, systemRandom);
    const summary = parsed(entry)['items'] as { count: number; failed: number; root: string };
    assert.deepEqual([summary.count, summary.failed], [3, 1]);
    const opened = JSON.parse(stored!) as [salt: string, text: string][];
    const leaves = opened.map(([salt, text]) =>
      createHash('sha256').update(Buffer.of(0)).update(Buffer.from(salt, 'base64')).update(text).digest(),
    );
    const node = (left: Buffer, right: Buffer): Buffer =>
      createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
    assert.equal(summary.root, node(node(leaves[0]!, leaves[1]!), leaves[2]!).toString('base64'));
    assert.deepEqual(
      opened.map(([, text]) => text),
      [
        '{"position":0,"keyVersion":2,"algorithm":"ECDSA_SHA_256","digest":"AAAA","outcome":"OK"}',
        '{"position":1,"algorithm":"ECDSA_SHA_256","outcome":"INVALID_ARGUMENT"}',
        '{"position":2,"keyVersion":2,"algorithm":"ECDSA_SHA_256","digest":"BBBB","outcome":"OK"}',
      ],
    );
    assert.equal(new Set(opened.map(([salt]) => salt)).size, 3);
  });

  test('of equal items has no equal leaves, so that none can be guessed from another', () => {
    const equal = Array.from({ length: 100 }, () => items[0]!);
    const { items: stored } = sealRecord(draft({ items: equal }), AT, systemRandom);
    assert.equal(new Set((JSON.parse(stored!) as [string][]).map(([salt]) => salt)).size, 100);
  });
});

test('an aggregate says how many, from when to when, and has no latency', () => {
  const aggregate = { count: 12, fromMs: 1000, toMs: 1999 };
  const { entry } = sealRecord(draft({ aggregate, principal: null, tenantId: null }), AT, systemRandom);
  const record = parsed(entry);
  assert.deepEqual(record['aggregate'], {
    count: 12,
    from: '1970-01-01T00:00:01.000Z',
    to: '1970-01-01T00:00:01.999Z',
  });
  assert.ok(!('latencyUs' in record));
});

function parsed(entry: Buffer): Record<string, unknown> {
  return JSON.parse(entry.toString()) as Record<string, unknown>;
}
