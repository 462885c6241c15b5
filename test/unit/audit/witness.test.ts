import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, afterEach, before, describe, suite, test } from 'node:test';
import fc from 'fast-check';
import { RewrittenError } from '../../../src/audit/keepers.ts';
import { COSIGNATURE_TYPES, parseVerifierKey } from '../../../src/audit/signed-note.ts';
import { addCheckpointBody, cosignatures, parseSize, Witness } from '../../../src/audit/witness.ts';
import { silentLog, type Log } from '../../../src/ports/log.ts';
import type { StoredCheckpoint } from '../../../src/store/contract.ts';
import { newCosigner } from '../../support/cosigner.ts';
import { openKeptLog, type KeptLog } from '../../support/kept-log.ts';
import { startStandIn, type StandIn } from '../../support/stand-in.ts';

interface Asked {
  readonly path: string;
  readonly old: number;
  readonly proof: readonly string[];
  readonly note: string;
}

const SIZE = { 'content-type': 'text/x.tlog.size' };
const cosigner = newCosigner();
const key = parseVerifierKey(cosigner.key, 'key', COSIGNATURE_TYPES);
const never = new AbortController().signal;

let kept: KeptLog;
let first: StoredCheckpoint;
let second: StoredCheckpoint;

let receiver: StandIn | null = null;
let asked: Asked[] = [];

suite('a witness', () => {
  before(async () => {
    kept = await openKeptLog();
    first = await kept.grow(3);
    second = await kept.grow(300);
  });
  after(() => kept.close());
  afterEach(() => {
    receiver?.stop();
    receiver = null;
    asked = [];
  });

  describe('a witness is asked', () => {
    test('with the size that it signed last, the proof, and the checkpoint', async () => {
      const witness = await standIn(({ note }, response) => response.end(cosigner.sign(note)));
      const [signature] = await witness.give(second, first.size, never);
      assert.equal(signature!.name, 'witness.example/w1');
      const [{ path, old, proof, note }] = asked as [Asked];
      assert.deepEqual([path, old, note], ['/prefix/add-checkpoint', first.size, second.note]);
      assert.ok(proof.length > 0 && proof.length <= 63);
      assert.ok(proof.every((hash) => Buffer.from(hash, 'base64').length === 32));
    });

    test('without a proof where it has signed nothing', async () => {
      const witness = await standIn(({ note }, response) => response.end(cosigner.sign(note)));
      await witness.give(first, 0, never);
      assert.deepEqual([asked[0]!.old, asked[0]!.proof], [0, []]);
    });

    test('again from the size that it names, where ours is not its own', async () => {
      const witness = await standIn(({ old, note }, response) => {
        if (old === 0) response.writeHead(409, SIZE).end(`${first.size}\n`);
        else response.end(cosigner.sign(note));
      });
      assert.equal((await witness.give(second, 0, never)).length, 1);
      assert.deepEqual(
        asked.map(({ old }) => old),
        [0, first.size],
      );
    });

    test('from the beginning where it has forgotten everything, and the operator is told', async () => {
      const told: string[] = [];
      const log: Log = { write: (level, message) => told.push(`${level} ${message}`) };
      const witness = await standIn(({ old, note }, response) => {
        if (old > 0) response.writeHead(409, SIZE).end('0\n');
        else response.end(cosigner.sign(note));
      }, log);
      await witness.give(second, first.size, never);
      assert.deepEqual(told, ['warn the witness `w1` has forgotten what it signed']);
    });

    test('twice at most', async () => {
      let size = 0;
      const witness = await standIn((_, response) => response.writeHead(409, SIZE).end(`${(size += 1)}\n`));
      await assert.rejects(witness.give(second, 0, never), /names one size as its last, and then another/);
      assert.equal(asked.length, 2);
    });
  });

  describe('a witness shows that the past was changed', () => {
    const shown: readonly [string, (asked: Asked, response: ServerResponse) => unknown, RegExp][] = [
      [
        'where it has signed more records than there are',
        (_, response) => response.writeHead(409, SIZE).end('100000\n'),
        /^it has signed 100000 records of this log, which has 303 now: it was cut$/,
      ],
      [
        'where no proof leads from what it signed to what there is',
        (_, response) => response.writeHead(422).end('no'),
        /^the 3 records that it has signed are not the first of the 303 in this log$/,
      ],
      [
        'where it has signed another log of the same size',
        ({ old }, response) => {
          if (old === second.size) response.writeHead(409).end('another root');
          else response.writeHead(409, SIZE).end(`${second.size}\n`);
        },
        /^it has signed another log of 303 records than this one$/,
      ],
    ];
    for (const [claim, answer, message] of shown) {
      test(claim, async () => {
        const witness = await standIn(answer);
        await assert.rejects(witness.give(second, first.size, never), (error) => {
          assert.ok(error instanceof RewrittenError);
          assert.match(error.message, message);
          return true;
        });
      });
    }
  });

  describe('no alarm, but an error in words, is an answer', () => {
    const other = newCosigner();
    const refused: readonly [string, (asked: Asked, response: ServerResponse) => unknown, RegExp][] = [
      ['that is no signature lines', (_, r) => r.end('<html>hello</html>'), /its answer is not lines of signatures/],
      ['that is bytes', (_, r) => r.end(Buffer.from([0xff, 0xfe, 0, 1, 2])), /its answer is not lines of signatures/],
      ['that is empty', (_, r) => r.end(), /no signature by witness\.example\/w1/],
      [
        'signed by another key',
        ({ note }, r) => r.end(other.sign(note)),
        /no signature by witness\.example\/w1, key id/,
      ],
      ['signed over another size', (_, r) => r.end(cosigner.sign(first.note)), /a signature by .* that is false/],
      [
        'with a false signature beside a true one',
        ({ note }, r) => r.end(cosigner.sign(first.note) + cosigner.sign(note)),
        /a signature by .* that is false/,
      ],
      ['403', (_, r) => r.writeHead(403).end('who?'), /has another key of this log: .*\(it answered 403: who\?\)/],
      ['404', (_, r) => r.writeHead(404).end(), /does not know this log: .*\(it answered 404\)$/],
      ['500', (_, r) => r.writeHead(500).end('\u0007oops\n'), /does not sign \(it answered 500: oops\)/],
      ['409 without a size', (_, r) => r.writeHead(409).end('303\n'), /409 without a size/],
      ['409 with what is no size', (_, r) => r.writeHead(409, SIZE).end('007\n'), /409 without a size/],
      ['409 that names the size it was given', (_, r) => r.writeHead(409, SIZE).end('3\n'), /and names the same/],
      ['301', (_, r) => r.writeHead(301, { location: '/' }).end(), /it answered 301/],
    ];
    for (const [claim, answer, message] of refused) {
      test(claim, async () => {
        const witness = await standIn(answer);
        await assert.rejects(witness.give(second, first.size, never), (error) => {
          assert.ok(!(error instanceof RewrittenError));
          assert.match((error as Error).message, message);
          return true;
        });
      });
    }

    test('that does not come in time', async () => {
      const witness = await standIn(() => undefined);
      await assert.rejects(witness.give(second, first.size, never), /no answer within 0.3 s/);
    });
  });

  describe('the answer of a witness', () => {
    test('may have signatures of others: they are dropped', async () => {
      const others = newCosigner('witness.example/w2').sign(second.note) + newCosigner().sign(second.note);
      const lines = cosignatures(second, others + cosigner.sign(second.note), key);
      assert.deepEqual(
        lines.map(({ keyId }) => keyId),
        [key.keyId],
      );
    });

    test('of any bytes gives a signature that is true, or an error', () => {
      const good = cosigner.sign(second.note);
      const answer = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.tuple(fc.nat(good.length), fc.nat(good.length), fc.string()).map(([from, to, put]) => {
          return good.slice(0, from) + put + good.slice(to);
        }),
      );
      fc.assert(
        fc.property(answer, (text) => {
          try {
            assert.equal(`${cosignatures(second, text, key)[0]!.line}\n`, good);
          } catch (error) {
            assert.match((error as Error).message, /^its answer/);
          }
        }),
      );
    });

    test('names a size in one way only', () => {
      assert.deepEqual(['0\n', '12\n', '9007199254740991\n'].map(parseSize), [0, 12, Number.MAX_SAFE_INTEGER]);
      for (const bad of [
        '',
        '\n',
        '12',
        '012\n',
        '+1\n',
        '-1\n',
        '1e3\n',
        '12\n\n',
        '9007199254740992\n',
        ' 1\n',
        '٣\n',
      ]) {
        assert.equal(parseSize(bad), null, JSON.stringify(bad));
      }
      fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseSize(text)));
    });
  });

  test('the request of the specification is written line by line', () => {
    const hash = Buffer.alloc(32, 1);
    const line = `${hash.toString('base64')}\n`;
    assert.equal(addCheckpointBody(2, [hash, hash], 'note\n'), `old 2\n${line}${line}\nnote\n`);
    assert.equal(addCheckpointBody(0, [], 'note\n'), 'old 0\n\nnote\n');
  });
});

async function standIn(
  answer: (asked: Asked, response: ServerResponse) => unknown,
  log: Log = silentLog,
): Promise<Witness> {
  receiver = await startStandIn(({ url }, response, body) => {
    const end = body.indexOf('\n\n');
    const [old = '', ...proof] = body.slice(0, end).split('\n');
    const question = { path: url!, old: Number(old.slice(4)), proof, note: body.slice(end + 2) };
    asked.push(question);
    answer(question, response);
  });
  const url = new URL('/prefix/', receiver.url);
  const { treeHashes, size } = kept;
  return new Witness({ name: 'w1', url, key, everyMs: 1000, timeoutMs: 300 }, { treeHashes, size, log });
}
