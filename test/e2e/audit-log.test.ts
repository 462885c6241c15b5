import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

let server: TestServer;
let key: string;
before(async () => {
  server = await startTestServer();
  key = (await server.client.createKey({ spec: 'P-256' })).id;
  // Enough for a full tile and one that is not.
  for (let round = 0; round < 7; round++) {
    await Promise.all(Array.from({ length: 50 }, () => server.client.sign({ key, message: Buffer.from('hello') })));
  }
  // A receipt waits for the checkpoint that covers its record.
  const { records } = await server.client.listAuditRecords({ limit: 1 });
  await server.client.getAuditReceipt({ requestId: records[0]!.requestId });
});
after(() => server.stop());

interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

describe('the log that is served', () => {
  test('has a key of one line, which verifies the checkpoint', async () => {
    const [line, end] = (await get('/v1/audit/log/key')).body.split('\n');
    assert.equal(end, '');
    const [name, id, encoded] = /^([^+]+)\+([^+]+)\+(.*)$/.exec(line)!.slice(1) as [string, string, string];
    const bytes = Buffer.from(encoded, 'base64');
    assert.equal(
      id,
      sha256(Buffer.from(`${name}\n`), bytes)
        .subarray(0, 4)
        .toString('hex'),
    );
    const { origin } = await checkpoint();
    assert.equal(origin, name);
    assert.match(origin, /^claviger\/[0-9a-f-]{36}$/);
  });

  test('has a checkpoint over the entries, which hash to its root, tile by tile', async () => {
    const { size, root } = await checkpoint();
    assert.ok(size > 300);
    const leaves: Buffer[] = [];
    for (let n = 0; n * 256 < size; n++) {
      const width = Math.min(256, size - n * 256);
      const path = `00${n}${width === 256 ? '' : `.p/${width}`}`;
      const entries = bundle(await bytes(`/v1/audit/log/tile/entries/${path}`));
      assert.equal(entries.length, width);
      const tile = await bytes(`/v1/audit/log/tile/0/${path}`);
      const hashes = entries.map((entry) => sha256(Buffer.of(0), entry));
      assert.deepEqual(tile, Buffer.concat(hashes));
      for (const entry of entries) {
        const { index, logId } = JSON.parse(entry.toString()) as { index: number; logId: string };
        assert.equal(index, leaves.length + entries.indexOf(entry));
        assert.equal(`claviger/${logId}`, (await checkpoint()).origin);
      }
      leaves.push(...hashes);
    }
    assert.deepEqual(head(leaves), root);
    assert.deepEqual(await bytes('/v1/audit/log/tile/1/000.p/1'), head(leaves.slice(0, 256)));
  });

  test('is at most a moment behind: a record is covered within a second', async () => {
    const signed = await server.fetch('POST', `/v1/keys/${key}:sign`, { message: 'aGVsbG8=' });
    const index = Number(signed.headers.get('x-claviger-audit')!.split('/')[1]);
    const deadline = Date.now() + 1000;
    while ((await checkpoint()).size <= index) assert.ok(Date.now() < deadline, 'no checkpoint within a second');
  });

  test('keeps every checkpoint, each over more records', async () => {
    const lines = (await get('/v1/audit/log/checkpoints')).body.trim().split('\n') as string[];
    const sizes = lines.map((line) => (JSON.parse(line) as { size: number }).size);
    assert.deepEqual(
      sizes,
      [...new Set(sizes)].toSorted((a, b) => a - b),
    );
    for (const line of lines) opened((JSON.parse(line) as { note: string }).note, await publicKey());
    const later = (await get(`/v1/audit/log/checkpoints?after=${sizes[0]}&limit=1`)).body;
    assert.equal((JSON.parse(later) as { size: number }).size, sizes[1] ?? sizes[0]);
  });

  test('opens the commitments of a bundle, a line a record', async () => {
    const entries = bundle(await bytes('/v1/audit/log/tile/entries/000'));
    const lines = (await get('/v1/audit/log/openings/000')).body.trim().split('\n');
    assert.equal(lines.length, 256);
    for (const [at, line] of lines.entries()) {
      const { index, openings } = JSON.parse(line) as { index: number; openings: Record<string, [string, string]> };
      assert.equal(index, at);
      const entry = JSON.parse(entries[at]!.toString()) as Record<string, string>;
      const [salt, value] = openings['principal']!;
      assert.equal(entry['principal'], sha256(Buffer.from(salt, 'base64'), Buffer.from(value)).toString('base64'));
    }
  });

  test('has no tile beyond its newest checkpoint, and no other form of a path', async () => {
    const beyond = [
      '0/999',
      '0/050',
      '5/000.p/1',
      '1/000',
      '0/0',
      '0/000.p/0',
      '0/000.p/256',
      '7/000',
      '0/x000/000',
      '../key',
    ];
    for (const tile of beyond) {
      assert.equal((await get(`/v1/audit/log/tile/${encodeURIComponent(tile)}`)).status, 404, tile);
    }
    for (const tile of ['999', '0', '050', 'x', '0/000']) {
      assert.equal((await get(`/v1/audit/log/tile/entries/${tile}`)).status, 404, tile);
      assert.equal((await get(`/v1/audit/log/openings/${tile}`)).status, 404, tile);
    }
  });
});

describe('the log', () => {
  const detail = async (path: string): Promise<string> => (await get(path)).body.detail;

  test('says why there is no tile, and what a path is like', async () => {
    assert.match(
      await detail('/v1/audit/log/tile/0/0'),
      /no tile `0\/0`: a path is such as `0\/000`, or `0\/000\.p\/5`/,
    );
    assert.match(
      await detail('/v1/audit/log/tile/0/900'),
      /no tile `0\/900` yet: the newest checkpoint covers \d+ records/,
    );
    assert.match(await detail('/v1/audit/log/tile/entries/x'), /no tile `x`: a path is such as `000`/);
    assert.match(await detail('/v1/audit/log/openings/900'), /no tile `900` yet/);
  });

  test('says that nobody signs its checkpoints as well where there is no witness', async () => {
    assert.match(
      await detail('/v1/audit/log/checkpoint?cosigned=true'),
      /`audit\.witnesses` of the configuration names none/,
    );
  });

  test('answers HEAD as it answers GET, without the body', async () => {
    for (const path of ['/v1/audit/log/key', '/v1/audit/log/checkpoint', '/v1/audit/log/tile/0/000', '/v1/keys']) {
      const headers = { authorization: `Bearer ${server.token}` };
      const asked = await fetch(`${server.endpoint}${path}`, { headers });
      const looked = await fetch(`${server.endpoint}${path}`, { method: 'HEAD', headers });
      assert.deepEqual([looked.status, looked.headers.get('content-type')], [200, asked.headers.get('content-type')]);
      assert.equal((await looked.arrayBuffer()).byteLength, 0);
      await asked.arrayBuffer();
    }
    const path = `${server.endpoint}/v1/audit/log/tile/0/900`;
    const looked = await fetch(path, { method: 'HEAD', headers: { authorization: `Bearer ${server.token}` } });
    assert.equal(looked.status, 404);
  });
});

describe('a proof', () => {
  test('of inclusion leads from a leaf to the root', async () => {
    const { size, root } = await checkpoint();
    const { body } = await get(`/v1/audit/log/proof?index=17&size=${size}`);
    assert.deepEqual([body.index, body.size], [17, size]);
    assert.deepEqual(climbed(17, size, body), root);
  });

  test('of consistency has the hashes that both roots are made of', async () => {
    const { body } = await get('/v1/audit/log/consistency?from=256&to=300');
    const tile = await bytes('/v1/audit/log/tile/0/001.p/44');
    const leaves = Array.from({ length: 44 }, (_, at) => tile.subarray(at * 32, (at + 1) * 32));
    // 256 leaves are a subtree of their own: what follows them is all that the proof adds.
    assert.deepEqual(body, { from: 256, to: 300, hashes: [head(leaves).toString('base64')] });
  });

  test('is refused beyond the newest checkpoint, and for what is no index', async () => {
    const { size } = await checkpoint();
    for (const query of [
      '',
      '?index=x',
      '?index=-1',
      '?index=1.5',
      `?index=5&size=5`,
      '?index=0&size=0',
      `?index=0&size=${size + 1000}`,
    ]) {
      assert.equal((await get(`/v1/audit/log/proof${query}`)).status, 400, query);
    }
    for (const query of ['', '?from=0', '?from=9&to=8', `?from=1&to=${size + 1000}`]) {
      assert.equal((await get(`/v1/audit/log/consistency${query}`)).status, 400, query);
    }
  });
});

describe('a receipt', () => {
  test('proves the record of a request, with nothing but the key', async () => {
    const signed = await server.fetch('POST', `/v1/keys/${key}:sign`, { message: 'aGVsbG8=' });
    const { status, body } = await get(`/v1/audit/receipts/${signed.headers.get('x-request-id')}`);
    assert.equal(status, 200);
    assert.equal(`${body.logId}/${body.index}`, signed.headers.get('x-claviger-audit'));
    assert.equal(body.leafHash, sha256(Buffer.of(0), Buffer.from(body.entry)).toString('base64'));
    const { size, root } = opened(body.checkpoint, await publicKey());
    assert.equal(size, body.size);
    assert.deepEqual(climbed(body.index, size, body), root);
    const entry = JSON.parse(body.entry) as Record<string, unknown>;
    assert.deepEqual([entry['operation'], entry['outcome'], entry['key']], ['Sign', 'OK', key]);
    const [salt, digest] = body.openings.digest as [string, string];
    const committed = sha256(Buffer.from(salt, 'base64'), Buffer.from(digest, 'base64')).toString('base64');
    assert.equal(entry['digest'], committed);
    assert.equal(digest, sha256(Buffer.from('hello')).toString('base64'));
  });

  test('of a batch has its items', async () => {
    const items = [{ message: 'aGVsbG8=' }, { message: '' }];
    const signed = await server.fetch('POST', `/v1/keys/${key}:signBatch`, { items });
    const { body } = await get(`/v1/audit/receipts/${signed.headers.get('x-request-id')}`);
    assert.equal(body.items.length, 2);
  });

  test('of another tenant, and of no request, is not found', async () => {
    const { body: tenant } = await server.fetch('POST', '/v1/tenants', { name: 'other' });
    const theirs = await server.fetch('GET', '/v1/keys', undefined, { token: tenant.token });
    const id = theirs.headers.get('x-request-id')!;
    const auditor = await auditorToken();
    const hidden = await server.fetch('GET', `/v1/audit/receipts/${id}`, undefined, { token: auditor });
    const unknown = await server.fetch('GET', '/v1/audit/receipts/nothing', undefined, { token: auditor });
    for (const { status, body } of [hidden, unknown]) {
      assert.deepEqual([status, body.code, body.detail], [404, 'NOT_FOUND', 'the log has no record of this request']);
    }
    assert.equal((await get(`/v1/audit/receipts/${id}`)).status, 200, 'the system scope sees all');
  });
});

describe('the right to the log', () => {
  const TREE = ['key', 'checkpoint', 'checkpoints', 'tile/0/000', 'proof?index=0', 'consistency?from=1'];
  const ENTRIES = ['tile/entries/000', 'openings/000'];

  test('of a tenant’s auditor is the tree, not the entries of all tenants', async () => {
    const token = await auditorToken();
    for (const path of TREE) assert.equal((await get(`/v1/audit/log/${path}`, token)).status, 200, path);
    for (const path of ENTRIES) assert.equal((await get(`/v1/audit/log/${path}`, token)).status, 403, path);
  });

  test('is nobody else’s, and each refusal has its record', async () => {
    const user = (await server.client.createToken({ name: 'u', roles: ['crypto-user'] })).token!;
    const officer = (await server.client.createToken({ name: 'o', roles: ['security-officer'] })).token!;
    for (const path of [...TREE, ...ENTRIES].map((place) => `/v1/audit/log/${place}`)) {
      assert.equal((await get(path, user)).status, 403, path);
      assert.equal((await get(path, officer)).status, 403, path);
      assert.equal((await get(path, null)).status, 401, path);
    }
    const refused = await get('/v1/audit/receipts/x', user);
    const { records } = await server.client.listAuditRecords({ requestId: refused.headers.get('x-request-id')! });
    assert.deepEqual([records[0]!.operation, records[0]!.outcome], ['GetAuditReceipt', 'PERMISSION_DENIED']);
  });
});

async function auditorToken(): Promise<string> {
  return (await server.client.createToken({ name: 'a', roles: ['auditor'] })).token!;
}

function get(path: string, token?: string | null): Promise<TestAnswer> {
  return server.fetch('GET', path, undefined, token === undefined ? {} : { token });
}

async function bytes(path: string): Promise<Buffer> {
  const response = await fetch(`${server.endpoint}${path}`, { headers: { authorization: `Bearer ${server.token}` } });
  assert.equal(response.status, 200, path);
  return Buffer.from(await response.arrayBuffer());
}

async function publicKey(): Promise<string> {
  return (await get('/v1/audit/log/key')).body.trim();
}

async function checkpoint(): Promise<Checkpoint> {
  return opened((await get('/v1/audit/log/checkpoint')).body, await publicKey());
}

/** A signed note, its one signature checked as C2SP signed-note has it. */
function opened(note: string, verifier: string): Checkpoint {
  // Base64 has a plus sign of its own.
  const [id, encoded] = /^[^+]+\+([^+]+)\+(.*)$/.exec(verifier)!.slice(1) as [string, string];
  const at = note.indexOf('\n\n');
  const text = note.slice(0, at + 1);
  const [dash, name, signature] = note
    .slice(at + 2)
    .trimEnd()
    .split(' ') as [string, string, string];
  const signed = Buffer.from(signature, 'base64');
  const spki = Buffer.concat([ED25519_SPKI, Buffer.from(encoded, 'base64').subarray(1)]);
  assert.equal(dash, '—');
  assert.equal(signed.subarray(0, 4).toString('hex'), id);
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  assert.ok(verify(null, Buffer.from(text), key, signed.subarray(4)), 'the signature verifies');
  const [origin, size, root, end] = text.split('\n') as [string, string, string, string];
  assert.deepEqual([name, end], [origin, '']);
  return { origin, size: Number(size), root: Buffer.from(root, 'base64') };
}

function bundle(from: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < from.length;) {
    const length = from.readUInt16BE(at);
    entries.push(from.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return entries;
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function head(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), head(leaves.slice(0, split)), head(leaves.slice(split)));
}

/** RFC 9162, section 2.1.3.2: the root that a proof leads to. */
function climbed(index: number, size: number, proof: { leafHash: string; hashes: readonly string[] }): Buffer {
  let [fn, sn] = [index, size - 1];
  let root: Buffer = Buffer.from(proof.leafHash, 'base64');
  for (const text of proof.hashes) {
    const hash = Buffer.from(text, 'base64');
    if (fn % 2 === 1 || fn === sn) {
      root = sha256(Buffer.of(1), hash, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else root = sha256(Buffer.of(1), root, hash);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  assert.equal(sn, 0);
  return root;
}
