/** Receipts: one record, proved to be in the log with nothing but the key. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseVerifierKey, verifyReceipt, type ReceiptReport } from '../../../../src/audit/verifier/index.ts';
import {
  cosigned,
  fixtureKey,
  fixtureReceipt,
  fixtureRecords,
  type FixtureReceipt,
} from '../../../support/log-fixture.ts';

const log = fixtureKey();
const key = parseVerifierKey(log.vkey);
const records = fixtureRecords({ records: 77 });
const [SINGLE, BATCH] = [8, 45];

const good = (index: number): FixtureReceipt => fixtureReceipt(records, log, index);
const verified = (receipt: object): ReceiptReport => verifyReceipt(JSON.stringify(receipt), { key });

function refused(index: number, change: (receipt: FixtureReceipt) => void, kind: string, message?: RegExp): void {
  const receipt = structuredClone(good(index));
  change(receipt);
  const { receipt: found, findings } = verified(receipt);
  assert.deepEqual([found, findings.length, findings[0]!.kind], [null, 1, kind], findings[0]!.message);
  if (message !== undefined) assert.match(findings[0]!.message, message);
}

describe('a receipt', () => {
  test('of every record is verified, and says what the record was', () => {
    for (const index of records.keys()) {
      const { receipt, findings } = verified(good(index));
      assert.deepEqual([findings, receipt!.index, receipt!.size, receipt!.closed], [[], index, 77, []]);
    }
    const { receipt } = verified(good(SINGLE));
    assert.equal(receipt!.values['source'], '127.0.0.1');
    assert.equal(receipt!.record.operation, 'Sign');
  });

  test('of a log of one record needs no hashes', () => {
    const receipt = fixtureReceipt(records.slice(0, 1), log, 0);
    assert.deepEqual([receipt.hashes, verified(receipt).findings], [[], []]);
  });

  test('whose openings are gone says what is not opened', () => {
    const { receipt, findings } = verified({ ...good(BATCH), openings: {}, items: undefined });
    assert.deepEqual(findings, []);
    assert.deepEqual(receipt!.closed, ['principal', 'source', 'items']);
  });

  test('whose record, place or proof was changed is refused', () => {
    refused(SINGLE, (receipt) => (receipt.entry = receipt.entry.replace('"OK"', '"NO"')), 'record-changed');
    refused(SINGLE, (receipt) => (receipt.entry = ` ${receipt.entry}`), 'record-malformed');
    refused(SINGLE, (receipt) => (receipt.leafHash = good(9).leafHash), 'record-changed');
    refused(SINGLE, (receipt) => (receipt.index = 9), 'receipt-malformed', /is for record 9, and shows record 8/);
    refused(SINGLE, (receipt) => (receipt.size = 76), 'receipt-malformed', /size 76, and its checkpoint 77/);
    refused(SINGLE, (receipt) => (receipt.logId = 'another'), 'receipt-malformed');
    refused(
      SINGLE,
      (receipt) => receipt.hashes.pop(),
      'proof-fails',
      /does not show that record 8 is in the tree of size 77/,
    );
    refused(SINGLE, (receipt) => receipt.hashes.reverse(), 'proof-fails');
    refused(SINGLE, (receipt) => (receipt.hashes = []), 'proof-fails');
    refused(SINGLE, (receipt) => (receipt.hashes = good(9).hashes), 'proof-fails');
  });

  test('is held against a checkpoint of its own size, and no other', () => {
    const other = fixtureRecords({ records: 77 });
    other[0]!.fields['outcome'] = 'INTERNAL';
    const seen = (of: typeof records): { name: string; note: Buffer } => ({
      name: '`seen`',
      note: Buffer.from(fixtureReceipt(of, log, 0).checkpoint),
    });
    const check = (of: typeof records): ReceiptReport =>
      verifyReceipt(JSON.stringify(good(SINGLE)), { key, since: [seen(of)] });
    const same = check(records).receipt!;
    assert.deepEqual([same.since, same.uncompared], [[77], []]);
    assert.equal(same.checkpoint, good(SINGLE).checkpoint);
    const smaller = check(records.slice(0, 70)).receipt!;
    assert.deepEqual([smaller.since, smaller.uncompared], [[], [{ name: '`seen`', size: 70 }]]);
    const { receipt, findings } = check(other);
    assert.deepEqual([receipt, findings[0]!.kind], [null, 'fork']);
  });

  test('whose checkpoint is another log’s, or not signed by its key, is refused', () => {
    refused(
      SINGLE,
      (receipt) => (receipt.checkpoint = fixtureReceipt(records, fixtureKey(), SINGLE).checkpoint),
      'other-key',
    );
    refused(
      SINGLE,
      (receipt) => (receipt.checkpoint = fixtureReceipt(records, fixtureKey('x'), SINGLE).checkpoint),
      'other-origin',
    );
    refused(
      SINGLE,
      (receipt) => (receipt.checkpoint = receipt.checkpoint.replace('\n77\n', '\n78\n')),
      'bad-signature',
    );
    refused(
      SINGLE,
      (receipt) => (receipt.checkpoint = 'none'),
      'bad-note',
      /^the checkpoint in the receipt has no blank line/,
    );
  });

  test('whose openings or items were changed is refused', () => {
    refused(SINGLE, (receipt) => (receipt.openings['source'][1] = '127.0.0.2'), 'opening-changed');
    refused(SINGLE, (receipt) => (receipt.openings['resource'] = receipt.openings['source']), 'opening-changed');
    refused(BATCH, (receipt) => (receipt.items![0]![1] = receipt.items![0]![1].replace('OK', 'NO')), 'items-changed');
    refused(
      SINGLE,
      (receipt) => (receipt.openings = [] as never),
      'receipt-malformed',
      /^the receipt has no object `openings`$/,
    );
    refused(
      BATCH,
      (receipt) => (receipt.items = {} as never),
      'receipt-malformed',
      /^the receipt has `items` that are no list$/,
    );
  });

  test('that is not in its form is refused', () => {
    for (const text of ['', 'null', '[]', '1', '{}', '{"index":1}']) {
      assert.equal(verifyReceipt(text, { key }).findings[0]!.kind, 'receipt-malformed', text);
    }
    for (const field of Object.keys(good(SINGLE)) as (keyof FixtureReceipt)[]) {
      refused(SINGLE, (receipt) => delete receipt[field], 'receipt-malformed');
      refused(SINGLE, (receipt) => (receipt[field] = null as never), 'receipt-malformed');
    }
    refused(
      SINGLE,
      (receipt) => (receipt.hashes = Array.from({ length: 54 }, () => receipt.hashes[0]!)),
      'receipt-malformed',
    );
    refused(SINGLE, (receipt) => (receipt.hashes[0] = 'AAAA'), 'receipt-malformed');
  });

  test('is never verified after a change of one character', () => {
    const text = JSON.stringify(good(SINGLE));
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 33, max: 126 }), (at, code) => {
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
        if (changed === text) return true;
        const { receipt, findings } = verifyReceipt(changed, { key });
        // A changed name of an optional field takes what it names out of the receipt, and adds nothing.
        return findings.length === 1 || (receipt !== null && receipt.index === SINGLE);
      }),
      { numRuns: 300 },
    );
  });

  test('tells the witnesses that cosigned, and is refused where one is missing or forged', () => {
    const witness = fixtureKey('witness.example.com', 4);
    const witnesses = [parseVerifierKey(witness.vkey, 'witness')];
    const receipt = good(SINGLE);
    const witnessed = { ...receipt, checkpoint: cosigned(receipt.checkpoint, witness, 1769860800) };
    assert.deepEqual(verifyReceipt(JSON.stringify(witnessed), { key, witnesses }).receipt!.witnesses, [
      { name: 'witness.example.com', time: '2026-01-31T12:00:00.000Z' },
    ]);
    const forged = {
      ...receipt,
      checkpoint:
        receipt.checkpoint +
        cosigned(good(9).checkpoint.replace('\n77', '\n76'), witness, 1).split('\n').at(-2)! +
        '\n',
    };
    for (const [wrong, kind] of [
      [receipt, 'unwitnessed'],
      [forged, 'bad-cosignature'],
    ] as const) {
      assert.equal(verifyReceipt(JSON.stringify(wrong), { key, witnesses }).findings[0]!.kind, kind);
    }
  });
});
