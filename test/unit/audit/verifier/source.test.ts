/** Reading a log over HTTP: what a server answers, and a log that goes on meanwhile. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseVerifierKey, urlSource, verifyLog, type LogReport } from '../../../../src/audit/verifier/index.ts';
import { fixtureFiles, fixtureKey, fixtureRecords, type Files } from '../../../support/log-fixture.ts';

const ENDPOINT = 'https://kms.example.com';
const key = fixtureKey();

/** A server that answers from files, and what it was asked. */
function serverOf(files: () => Files): { fetch: typeof fetch; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    fetch: (input, init) => {
      const url = input as string;
      asked.push(url);
      assert.ok(url.startsWith(`${ENDPOINT}/v1/audit/log/`));
      assert.equal((init!.headers as Record<string, string>)['authorization'], 'Bearer clv_token');
      const { pathname, searchParams } = new URL(url);
      const path = pathname.slice('/v1/audit/log/'.length);
      const bytes = files().get(path);
      if (bytes === undefined) return Promise.resolve(new Response('{}', { status: 404 }));
      return Promise.resolve(
        new Response(path === 'checkpoints' ? pageOf(bytes, searchParams) : new Uint8Array(bytes)),
      );
    },
  };
}

function pageOf(bytes: Buffer, query: URLSearchParams): string {
  const after = Number(query.get('after'));
  const lines = bytes
    .toString()
    .split('\n')
    .filter((line) => line !== '' && JSON.parse(line).size > after);
  return lines
    .slice(0, Number(query.get('limit')))
    .map((line) => `${line}\n`)
    .join('');
}

function verify(fetch: typeof globalThis.fetch, sleep = () => Promise.resolve()): Promise<LogReport> {
  const source = urlSource({ endpoint: `${ENDPOINT}/`, token: 'clv_token', fetch });
  return verifyLog(source, { key: parseVerifierKey(key.vkey), sleep });
}

describe('a log over HTTP', () => {
  test('is verified from pages of checkpoints, and each file is read once', async () => {
    const sizes = Array.from({ length: 2500 }, (_, at) => at + 1);
    const files = fixtureFiles(fixtureRecords({ records: 2500, small: true }), key, sizes);
    const { fetch, asked } = serverOf(() => files);
    const { findings, log } = await verify(fetch);
    assert.deepEqual([findings, log!.checkpoints], [[], 2500]);
    const pages = asked.filter((url) => url.includes('/checkpoints?'));
    assert.deepEqual(
      pages.map((url) => new URL(url).searchParams.get('after')),
      ['0', '1000', '2000', '2500'],
    );
    assert.equal(new Set(asked).size, asked.length);
  });

  test('that has gone on since its checkpoint was read is verified up to it', async () => {
    const records = fixtureRecords({ records: 400 });
    const then = fixtureFiles(records.slice(0, 300), key, [200, 300]);
    const now = fixtureFiles(records, key, [200, 300, 400]);
    const files = new Map([
      ...now,
      ['checkpoint', then.get('checkpoint')!] as const,
      ...[...then].filter(([path]) => path.includes('.p/')),
    ]);
    const { findings, log } = await verify(serverOf(() => files).fetch);
    assert.deepEqual([findings, log!.size, log!.checkpoints], [[], 300, 2]);
  });

  test('that redacts while it is read is followed until the redaction record is there', async () => {
    const before = fixtureRecords({ records: 300 });
    const redacted = fixtureRecords({ records: 305, redaction: { at: 302, from: 0, to: 100 } });
    const then = fixtureFiles(before, key, [200, 300]);
    const now = fixtureFiles(redacted, key, [200, 300, 305]);
    // The openings are gone already, the checkpoint over the redaction record comes later.
    const between = new Map([...then, ...[...now].filter(([path]) => path.startsWith('openings/'))]);
    let current = between;
    const slept: number[] = [];
    const { fetch } = serverOf(() => current);
    const source = urlSource({ endpoint: ENDPOINT, token: 'clv_token', fetch });
    const report = await verifyLog(source, {
      key: parseVerifierKey(key.vkey),
      sleep: (ms) => {
        slept.push(ms);
        current = now;
        return Promise.resolve();
      },
    });
    assert.deepEqual(report.findings, []);
    assert.deepEqual([report.log!.size, report.log!.redacted, slept.length], [305, 98, 1]);
    // One that never tells why is found.
    current = between;
    assert.equal((await verify(fetch)).findings[0]!.kind, 'opening-missing');
    // And one whose next checkpoint is a forged one, too.
    const forged = await verify(fetch, () => {
      current = new Map([...between, ['checkpoint', Buffer.from('none')]]);
      return Promise.resolve();
    });
    assert.equal(forged.findings[0]!.kind, 'bad-note');
  });

  test('that asks for patience gets it, and one that is not there is told', async () => {
    const files = fixtureFiles(fixtureRecords({ records: 3 }), key);
    const { fetch } = serverOf(() => files);
    let refusals = 2;
    const slow: typeof fetch = (...args) =>
      refusals-- > 0 ? Promise.resolve(new Response('{}', { status: refusals > 0 ? 429 : 503 })) : fetch(...args);
    assert.deepEqual((await verify(slow)).findings, []);
    await assert.rejects(
      verify(() => Promise.reject(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }))),
      { code: 'PROVIDER_UNAVAILABLE', message: `cannot reach ${ENDPOINT}/: ECONNREFUSED` },
    );
  });

  test('that refuses is told with the server’s words, and what right it takes', async () => {
    for (const [status, code, message] of [
      [401, 'UNAUTHENTICATED', /^cannot read `checkpoint`: not you$/],
      [403, 'PERMISSION_DENIED', /not you; verifying a whole log needs the role auditor in the system scope$/],
      [500, 'INTERNAL', /not you/],
    ] as const) {
      const refusal: typeof fetch = () => Promise.resolve(Response.json({ detail: 'not you' }, { status }));
      await assert.rejects(verify(refusal), { code, message });
    }
  });

  test('that serves an old checkpoint is told to be asked again', async () => {
    const records = fixtureRecords({ records: 400 });
    const [then, now] = [fixtureFiles(records.slice(0, 300), key), fixtureFiles(records, key)];
    const source = urlSource({ endpoint: ENDPOINT, token: 'clv_token', fetch: serverOf(() => then).fetch });
    const since = [{ name: '`seen`', note: now.get('checkpoint')!, verifiedAt: '2026-01-31T12:00:00.000Z' }];
    const { findings } = await verifyLog(source, { key: parseVerifierKey(key.vkey), since });
    assert.equal(findings[0]!.message, 'the newest checkpoint has size 300, but `seen` has size 400 already');
    assert.match(findings[0]!.next, /ask again/);
  });

  test('that has no list of checkpoints is a finding, and an address without a log is none', async () => {
    const files = fixtureFiles(fixtureRecords({ records: 3 }), key);
    files.delete('checkpoints');
    assert.equal((await verify(serverOf(() => files).fetch)).findings[0]!.kind, 'missing-file');
    files.clear();
    await assert.rejects(verify(serverOf(() => files).fetch), {
      code: 'NOT_FOUND',
      message:
        /^there is no Claviger log at https:\/\/kms\.example\.com\/: .* is 404; give the address of the server itself/,
    });
  });
});
