import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, suite, test } from 'node:test';
import fc from 'fast-check';
import { FileCopy, WebhookCopy } from '../../../src/audit/copies.ts';
import { RewrittenError } from '../../../src/audit/keepers.ts';
import { signCheckpoint } from '../../../src/audit/note.ts';
import type { Log } from '../../../src/ports/log.ts';
import type { StoredCheckpoint } from '../../../src/store/contract.ts';
import { FakeClock } from '../../support/clock.ts';
import { openKeptLog, type KeptLog } from '../../support/kept-log.ts';
import { startStandIn } from '../../support/stand-in.ts';
import { removeFolder, testFolder } from '../../support/server.ts';

let kept: KeptLog;
let first: StoredCheckpoint;
let second: StoredCheckpoint;

let folder: string;
let path: string;
let told: string[];
const log: Log = { write: (level, message, fields) => told.push(`${level} ${message} ${JSON.stringify(fields)}`) };

suite('copies of checkpoints', () => {
  before(async () => {
    kept = await openKeptLog();
    first = await kept.grow(5);
    second = await kept.grow(295);
  });
  after(() => kept.close());
  beforeEach(() => {
    told = [];
    folder = testFolder();
    path = join(folder, 'checkpoints');
  });
  afterEach(() => removeFolder(folder));

  describe('a copy in a file', () => {
    test('gets a line for each checkpoint, with its time', async () => {
      await copy().give(first, 0);
      await copy().give(second, first.size);
      assert.deepEqual(lines(), [
        { size: 5, time: '2026-01-31T12:00:00.000Z', note: first.note },
        { size: 300, time: '2026-01-31T12:00:00.000Z', note: second.note },
      ]);
      await copy().check();
    });

    test('goes on after a line that was cut off as it was written', async () => {
      await copy().give(first, 0);
      appendFileSync(path, '{"size":300,"no');
      await copy().check();
      await copy().give(second, first.size);
      assert.deepEqual(
        readFileSync(path, 'utf8')
          .split('\n')
          .map((line) => line.slice(0, 12)),
        ['{"size":5,"t', '{"size":300,', '{"size":300,', ''],
      );
      await copy().check();
    });

    test('begins again where somebody put an empty file', async () => {
      writeFileSync(path, '');
      await copy().check();
      await copy().give(second, first.size);
      assert.equal(lines().length, 1);
    });

    test('whose storage is away is not written to the folder that is left, and is there again when it comes back', async () => {
      const mount = join(folder, 'mount');
      path = join(mount, 'checkpoints');
      mkdirSync(mount);
      await copy().give(first, 0);
      renameSync(mount, join(folder, 'away'));
      mkdirSync(mount);
      await assert.rejects(copy().give(second, first.size), /there is no `.*checkpoints` any more; to begin it anew/);
      await copy().check();
      assert.equal(existsSync(path), false);
      rmSync(mount, { recursive: true });
      await assert.rejects(copy().give(second, first.size), /any more/);
      renameSync(join(folder, 'away'), mount);
      await copy().give(second, first.size);
      assert.equal(lines().length, 2);
    });

    test('in a folder that is not there fails in words', async () => {
      path = join(folder, 'none', 'checkpoints');
      await assert.rejects(copy().give(first, 0), /ENOENT/);
    });
  });

  describe('a copy in a file disagrees', () => {
    test('where it has more records than the log', async () => {
      writeFileSync(path, lineOf(signCheckpoint(kept.signer, 301, Buffer.alloc(32))));
      await disagrees(/a checkpoint over 301 records of this log, which has 300 now: it was cut$/, 301);
    });

    test('where it has another root for as many records, or for fewer', async () => {
      for (const size of [300, 17]) {
        writeFileSync(path, lineOf(signCheckpoint(kept.signer, size, Buffer.alloc(32, 3))));
        await disagrees(/is of other records than the first \d+ of this log$/, size);
      }
    });

    test('where its end is of another log, is signed by nobody, or is no checkpoint', async () => {
      const stranger = await openKeptLog();
      try {
        const foreign = await stranger.grow(5);
        for (const end of [
          lineOf(foreign),
          lineOf({ size: 5, note: first.note.replace('\n5\n', '\n4\n') }),
          lineOf({ size: 5, note: '' }),
          'hello\n',
          '{}\n',
          'null\n',
          '\n',
          'x'.repeat(600_000),
        ]) {
          writeFileSync(path, end);
          await disagrees(/ends with what is no checkpoint of this log, claviger\/kept/, null);
        }
      } finally {
        await stranger.close();
      }
    });

    test('and nothing is added to it', async () => {
      writeFileSync(path, lineOf(signCheckpoint(kept.signer, 301, Buffer.alloc(32))));
      await assert.rejects(copy().give(second, 0), RewrittenError);
      assert.equal(lines().length, 1);
    });

    test('until the operator accepts exactly that checkpoint; from then on the file agrees', async () => {
      writeFileSync(path, lineOf(signCheckpoint(kept.signer, 301, Buffer.alloc(32))));
      await assert.rejects(copy(300).check(), RewrittenError);
      await copy(301).check();
      await copy(301).give(second, 0);
      const accepted =
        /^warn this log goes on though a copy has another past of it.* {"copy":"copy","cause":".* it was cut"}$/;
      for (const line of told) assert.match(line, accepted);
      assert.equal(told.length, 2, 'at the start, and where the file was away then');
      await copy().check();
      await copy(300).check();
      assert.equal(told.length, 2, 'what the log continues need not be accepted');
      assert.deepEqual(
        lines().map(({ size }) => size),
        [301, 300],
      );
    });

    test('with what no bytes at its end can hide: they are refused, or the checkpoint before them holds', async () => {
      const good = lineOf(first);
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.nat(good.length), async (bytes, keep) => {
          writeFileSync(path, good);
          truncateSync(path, keep);
          appendFileSync(path, bytes);
          await copy()
            .check()
            .catch((error: unknown) => assert.ok(error instanceof RewrittenError));
        }),
        { numRuns: 50 },
      );
    });

    async function disagrees(message: RegExp, size: number | null): Promise<void> {
      await assert.rejects(copy().check(), (error) => {
        assert.ok(error instanceof RewrittenError);
        assert.match(error.message, message);
        assert.equal(error.size, size);
        return true;
      });
    }
  });

  describe('a copy at a webhook', () => {
    test('is a signed message, the same id for the same checkpoint', async () => {
      const got: { headers: IncomingHttpHeaders; body: string }[] = [];
      const receiver = await startStandIn(({ headers }, response, body) => {
        got.push({ headers, body });
        response.writeHead(got.length === 1 ? 503 : 204).end();
      });
      try {
        const { url } = receiver;
        const secret = Buffer.alloc(32, 5);
        const webhook = new WebhookCopy({ name: 'w', url, secret, everyMs: 1000 }, source());
        const { signal } = new AbortController();
        await assert.rejects(webhook.give(second, 0, signal), /the receiver answered 503/);
        await webhook.give(second, 0, signal);
        const [{ headers, body }, again] = got as [(typeof got)[0], (typeof got)[0]];
        assert.deepEqual(JSON.parse(body), {
          type: 'audit.checkpoint',
          timestamp: '2026-01-31T12:00:00.000Z',
          data: { logId: kept.ledger.logId, size: 300, note: second.note },
        });
        const id = `checkpoint-${kept.ledger.logId}-300`;
        assert.deepEqual([headers['webhook-id'], again.headers['webhook-id']], [id, id]);
        const mac = createHmac('sha256', secret).update(`${id}.1769860800.${body}`).digest('base64');
        assert.equal(headers['webhook-signature'], `v1,${mac}`);
      } finally {
        receiver.stop();
      }
    });
  });
});

function source() {
  const { ledger, key, treeHashes, size } = kept;
  return { logId: ledger.logId, key, treeHashes, size, clock: new FakeClock(), log };
}

function copy(acceptRewritten: number | null = null): FileCopy {
  return new FileCopy({ name: 'copy', path, everyMs: 1000, acceptRewritten }, source());
}

function lineOf(checkpoint: StoredCheckpoint): string {
  return `${JSON.stringify(checkpoint)}\n`;
}

function lines(): { size: number; time?: string; note: string }[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { size: number; note: string });
}
