/**
 * The words against the code: generated pages, examples in spec/, and links from page to page.
 */
import assert from 'node:assert/strict';
import { glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { suite, test } from 'node:test';
import { LogWriter } from '../../../src/audit/group.ts';
import { type RecordDraft, sealRecord } from '../../../src/audit/record.ts';
import { parseRecord } from '../../../src/audit/verifier/record.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { XaesKey } from '../../../src/crypto/xaes.ts';
import { blobAad, encodeHeader, parseBlob } from '../../../src/envelope/ciphertext.ts';
import { openWrapped, sealOfWrap, sealWrapped } from '../../../src/envelope/wrapped.ts';
import { parseConfig } from '../../../src/server/config.ts';
import { interruptedDraft } from '../../../src/operations/execute.ts';
import { JOBS } from '../../../src/operations/job-call.ts';
import { FROM_CACHE, NO_FACTS } from '../../../src/operations/scope.ts';
import { SqliteWriter } from '../../../src/store/sqlite/writer.ts';
import { ROUTES } from '../../../src/wire/index.ts';
import { auditRecord } from '../../../src/wire/schemas.ts';
import { pageOf } from '../../../tools/docs/configuration.ts';
import { PAGES, stalePages, writePage } from '../../../tools/docs/pages.ts';
import { requirePeer } from '../../../tools/peers/require.ts';
import { ROOT, mustRun, run } from '../../../tools/run.ts';

const page = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

/** The first block of code of a language. */
function block(text: string, language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(text);
  assert.ok(found, `no block of ${language}`);
  return found[1]!;
}

/** Every program in Python on a page. */
function programs(text: string): readonly string[] {
  const found = [...text.matchAll(/^```python\n(.*?)^```/gms)].map(([, program]) => program!);
  assert.ok(found.length > 0);
  return found;
}

suite('generated pages', () => {
  test('say what the code says', async () => {
    assert.deepEqual(
      (await stalePages(ROOT)).map(({ path }) => path),
      [],
      'run `npm run docs`',
    );
  });

  test('are told to be stale where they are missing or changed, until they are written again', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'claviger-docs-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const [first, ...others] = PAGES;
    for (const { path } of PAGES) await mkdir(dirname(join(folder, path)), { recursive: true });
    assert.equal((await stalePages(folder)).length, PAGES.length);
    for (const each of PAGES) await writePage(folder, each);
    assert.deepEqual(await stalePages(folder), []);
    await writeFile(join(folder, first!.path), 'changed');
    assert.deepEqual(await stalePages(folder), [first]);
    assert.ok(others.length > 0);
  });

  test('keep no keyword of the schema silent', () => {
    const strange = { properties: { port: { type: 'integer', multipleOf: 2 } } } as unknown as Parameters<
      typeof pageOf
    >[0];
    assert.throws(() => pageOf(strange), /`\.port` has the keyword `multipleOf`/);
  });

  test('name every alert rule, and say what to do about it', async () => {
    const text = await page('docs/operating/monitoring.md');
    const alerts = [...(await page('deploy/prometheus/alerts.yaml')).matchAll(/- alert: (\w+)/g)].map(
      ([, name]) => name!,
    );
    assert.ok(alerts.length >= 18, String(alerts.length));
    assert.deepEqual(
      [...text.matchAll(/^\| `(Claviger\w+)` \| .+ \| .+ \|$/gm)].map(([, name]) => name),
      alerts,
    );
  });

  test('name every field of a record, and no other, in docs/reference/audit-record.md', async () => {
    const [table] = (await page('docs/reference/audit-record.md')).split('## Filters');
    const named = [...table!.matchAll(/^\| `(\w+)` \|/gm)].map(([, field]) => field);
    assert.deepEqual(named, Object.keys(auditRecord.shape));
  });

  test('name every filter of the log there, and no other', async () => {
    const [, table] = (await page('docs/reference/audit-record.md')).split('## Filters');
    const named = [...table!.matchAll(/^\| `(\w+)` \|/gm)].map(([, field]) => field!);
    assert.deepEqual(named.toSorted(), Object.keys(ROUTES.listAuditRecords.input.shape).toSorted());
  });
});

suite('spec/ciphertext.md', () => {
  const KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => at));
  const CONTEXT = { shop: '1', cart: '42' };

  /** The blob of the example. */
  async function example(): Promise<Buffer> {
    const [first] = block(await page('spec/ciphertext.md'), '').split('```');
    return Buffer.from(first!.replaceAll(/\s/g, ''), 'hex');
  }

  test('its example is what our code makes of the same inputs', async () => {
    const header = encodeHeader({
      kind: 'direct',
      tenantId: '019a0000-0000-7000-8000-000000000001',
      keyId: '019a0000-0000-7000-8000-0000000000aa',
      keyVersion: 1,
    });
    const nonce = Buffer.from(Array.from({ length: 24 }, (_, at) => 0x40 + at));
    const sealed = new XaesKey(KEY).seal(Buffer.from('hello'), blobAad(header, CONTEXT), { bytes: () => nonce });
    assert.deepEqual(await example(), Buffer.concat([header, sealed]));
  });

  test('its example opens, with its own context only', async () => {
    const { header, sealed } = parseBlob(await example());
    const key = new XaesKey(KEY);
    assert.equal(key.open(sealed, blobAad(header, CONTEXT)).toString(), 'hello');
    assert.throws(() => key.open(sealed, blobAad(header, { ...CONTEXT, shop: '2' })), { code: 'INVALID_CIPHERTEXT' });
  });

  test('its programs in Python, which know nothing of ours, open the examples', async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    for (const program of programs(await page('spec/ciphertext.md'))) {
      const { stdout } = await mustRun(python.python, ['-'], { input: program });
      assert.equal(stdout, 'hello\n');
    }
  });
});

suite('spec/ciphertext.md, kind 2', () => {
  const DATA_KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => at));
  const CONTEXT = { shop: '1', cart: '42' };

  async function example(): Promise<Buffer> {
    const [, after] = (await page('spec/ciphertext.md')).split('## Kind 2, wrapped');
    return Buffer.from(block(after!, '').replaceAll(/\s/g, ''), 'hex');
  }

  test('its example is what our code makes of the same inputs, and opens', async () => {
    const header = encodeHeader({
      kind: 'wrapped',
      tenantId: '019a0000-0000-7000-8000-000000000001',
      keyId: '019a0000-0000-7000-8000-0000000000aa',
      keyVersion: 1,
    });
    const salt = Buffer.from(Array.from({ length: 32 }, (_, at) => 0x40 + at));
    const wraps = (
      [
        [1, 'a1a1a1a1'],
        [3, 'c3c3'],
      ] as const
    ).map(([home, hex]) => {
      const wrap = Buffer.from(hex, 'hex');
      return { home, wrap, seal: sealOfWrap(Buffer.alloc(32, 7), header, home, wrap) };
    });
    const made = sealWrapped(header, DATA_KEY, wraps, Buffer.from('hello'), CONTEXT, { bytes: () => salt });
    assert.deepEqual(await example(), made);
    const blob = parseBlob(await example());
    assert.ok(blob.kind === 'wrapped');
    assert.equal(openWrapped(blob, DATA_KEY, CONTEXT).toString(), 'hello');
  });
});

suite('spec/audit-log.md', () => {
  const AT_MS = Date.UTC(2026, 0, 31, 12, 0, 0, 250);
  const PLACE = {
    logId: '8c3f1e0a-5b7d-4a2f-9d6c-1f2e3d4c5b6a',
    index: 7,
    timeMs: AT_MS,
    latencyUs: 613,
    outcome: 'OK',
  };
  const DRAFT: RecordDraft = {
    ...NO_FACTS,
    phase: 'single',
    tenantId: '019a0000-0000-7000-8000-000000000001',
    principal: '019a0000-0000-7000-8000-0000000000c1',
    source: '127.0.0.1',
    operation: 'Encrypt',
    keyId: '019a0000-0000-7000-8000-0000000000aa',
    keyVersion: 1,
    provider: 'software',
    algorithm: 'SYMMETRIC_DEFAULT',
    context: { shop: '1', cart: '42' },
    policies: ['crypto-user/use'],
    requestId: '019a0000-0000-7000-8000-0000000000f1',
    atMs: AT_MS,
    startedMs: 0,
    aggregate: null,
  };
  const ITEM = { keyVersion: 2, algorithm: 'ECDSA_SHA_256', outcome: 'OK' };
  const ITEMS = [
    { ...ITEM, digest: 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=' },
    { ...ITEM, keyVersion: null, digest: null, outcome: 'INVALID_ARGUMENT' },
    { ...ITEM, digest: 'bjQLnP+zepic29VfZJkHIQKHlVUzk6vq/pDBUJkh6VY=' },
  ];

  /** A key that is made at two homes. */
  const CHANGE: RecordDraft = {
    ...DRAFT,
    operation: 'CreateKey',
    keyId: '019a0000-0000-7000-8000-0000000000bb',
    provider: 'east,west',
    algorithm: null,
    context: null,
    policies: ['key-administrator/manage'],
    requestId: '019a0000-0000-7000-8000-0000000000f2',
  };
  /** A draft that has everything; no operation leaves one like it. */
  const FULL: { readonly [F in keyof RecordDraft]: NonNullable<RecordDraft[F]> } = {
    phase: 'outcome',
    tenantId: DRAFT.tenantId!,
    principal: 'job/homes',
    source: '127.0.0.1',
    operation: 'ReEncrypt',
    keyId: DRAFT.keyId!,
    keyVersion: 1,
    provider: 'cache:east,cache:software',
    backing: 'ref',
    failovers: ['a', 'b'],
    missingHomes: ['west'],
    algorithm: 'SYMMETRIC_DEFAULT',
    digest: 'AAAA',
    context: { shop: '1' },
    destinationContext: { shop: '2' },
    resource: 'alias/x',
    policies: ['crypto-user/use'],
    requestId: DRAFT.requestId,
    atMs: AT_MS,
    startedMs: 0,
    items: ITEMS,
    aggregate: { count: 190, fromMs: AT_MS, toMs: AT_MS + 1120 },
    redaction: { from: 0, to: 7 },
  };

  /** Salts that count up from nothing, so that a record can be made again. */
  function counting(): { bytes: (length: number) => Buffer } {
    let next = 0;
    return { bytes: (length) => Buffer.from(Array.from({ length }, () => next++ & 0xff)) };
  }

  const squeezed = (text: string): string => text.replaceAll('\n', '');

  test('its example is what our code makes of the same inputs', async () => {
    const text = await page('spec/audit-log.md');
    const { entry, leaf, openings } = sealRecord(DRAFT, PLACE, counting());
    assert.equal(squeezed(block(text, 'json')), entry.toString());
    assert.ok(text.includes(`\n${leaf.toString('base64')}\n`));
    assert.ok(squeezed(text).includes(squeezed(openings)));
  });

  test('the batch of its example has the root that stands there', async () => {
    const text = await page('spec/audit-log.md');
    const batch = sealRecord({ ...DRAFT, operation: 'SignBatch', items: ITEMS }, PLACE, counting());
    const { items } = JSON.parse(batch.entry.toString()) as { items: { root: string } };
    assert.ok(text.includes(`\`${items.root}\``));
    assert.ok(text.replaceAll(/\n ?/g, '').includes(batch.items!));
  });

  /** Fields of the table, and those of them that are commitments. */
  async function tabled(): Promise<{ readonly fields: readonly string[]; readonly committed: readonly string[] }> {
    const table = (await page('spec/audit-log.md')).split('## Fields')[1]!.split('## Commitments')[0]!;
    const rows = [...table.matchAll(/^\| `(\w+)`( C)? \|/gm)].map(([, field, mark]) => ({ field: field!, mark }));
    return {
      fields: rows.map(({ field }) => field),
      committed: rows.filter(({ mark }) => mark !== undefined).map(({ field }) => field),
    };
  }

  test('its table names every field of a record and no other, in the order in which they stand there', async () => {
    const { fields, committed } = await tabled();
    // No record has both.
    for (const [draft, absent] of [
      [FULL, 'latencyUs'],
      [{ ...FULL, aggregate: null }, 'aggregate'],
    ] as const) {
      const { entry, openings } = sealRecord(draft, PLACE, counting());
      const record = JSON.parse(entry.toString()) as object;
      assert.deepEqual(
        fields.filter((field) => field !== absent),
        Object.keys(record),
      );
      assert.deepEqual(committed, Object.keys(JSON.parse(openings) as object));
    }
  });

  test('its verifier takes the form that the homes of a record have', async () => {
    const { redaction: _, aggregate: _a, ...rest } = FULL;
    const { entry } = sealRecord({ ...rest, redaction: null, aggregate: null }, PLACE, counting());
    const record = parseRecord(entry) as unknown as Record<string, unknown>;
    const { provider, backing, failovers, missingHomes } = record;
    assert.deepEqual(
      [provider, backing, failovers, missingHomes],
      ['cache:east,cache:software', 'ref', ['a', 'b'], ['west']],
    );
  });

  test('the homes of its examples are written as our code writes them', async () => {
    const text = await page('spec/audit-log.md');
    const lines = block(text.split('## Homes')[1]!, 'json').trimEnd().split('\n');
    const homes = { ...DRAFT, backing: null, failovers: [], missingHomes: [] };
    const drafts = [
      { ...homes, provider: 'east,software', missingHomes: ['west'] },
      { ...homes, provider: `${FROM_CACHE}east,${FROM_CACHE}software`, missingHomes: ['west'] },
      {
        ...homes,
        provider: 'west',
        backing: 'arn:aws:kms:eu-west-1:111122223333:key/…',
        failovers: ['east'],
      },
    ];
    assert.equal(lines.length, drafts.length);
    for (const [at, line] of lines.entries()) {
      assert.ok(sealRecord(drafts[at]!, PLACE, counting()).entry.toString().includes(`,${line},`), line);
    }
  });

  test('its intent and its outcomes are what our code makes of the same change', async () => {
    const section = (await page('spec/audit-log.md')).split('## Changes outside the store')[1]!;
    const salts = counting();
    const intent = sealRecord(
      { ...CHANGE, phase: 'intent' },
      { ...PLACE, index: 10, latencyUs: 702, outcome: null },
      salts,
    );
    const outcome = sealRecord(
      { ...CHANGE, phase: 'outcome' },
      { ...PLACE, index: 12, timeMs: AT_MS + 320, latencyUs: 320_871 },
      salts,
    );
    const both = block(section, 'json').split('\n\n').map(squeezed);
    assert.deepEqual(both, [intent.entry.toString(), outcome.entry.toString()]);

    const cut = interruptedDraft(
      {
        requestId: CHANGE.requestId,
        tenantId: CHANGE.tenantId!,
        principal: CHANGE.principal!,
        operation: CHANGE.operation!,
        keyId: CHANGE.keyId,
        provider: CHANGE.provider,
        backing: null,
        startedAt: AT_MS,
      },
      AT_MS + 60_000,
    );
    const place = { ...PLACE, index: 31, timeMs: AT_MS + 60_000, latencyUs: 95, outcome: 'INTERRUPTED' };
    const [, after] = section.split('An intent that a crash left alone');
    assert.equal(squeezed(block(after!, 'json')), sealRecord(cut, place, salts).entry.toString());
  });

  test('it names every job that leaves records, and so does docs/reference/audit-record.md', async () => {
    const jobs = JOBS.map((name) => `job/${name}`).toSorted();
    for (const path of ['spec/audit-log.md', 'docs/reference/audit-record.md']) {
      const named = [...(await page(path)).matchAll(/`(job\/[a-z-]+)`/g)].map(([, name]) => name!);
      assert.deepEqual([...new Set(named)].toSorted(), jobs, path);
    }
    // A job that is none of these would have to say so itself.
    for await (const file of glob('src/**/*.ts', { cwd: ROOT })) {
      if (file === 'src/operations/job-call.ts') continue;
      assert.doesNotMatch(await page(file), /['"`]job\/|via: 'job',|as 'job'/, file);
    }
  });

  test('its program in Python accepts a log of ours, and finds a record that was changed', async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const folder = await mkdtemp(join(tmpdir(), 'claviger-docs-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'claviger.db');
    const store = new SqliteWriter(file);
    store.settle({ 'log-id': PLACE.logId });
    const log = new LogWriter(store, systemRandom);
    log.begin();
    for (const [id, items] of [null, ITEMS, null, ITEMS.slice(0, 1), null].entries()) {
      const job = { id, decidedAt: 0, read: [], draft: { ...DRAFT, items }, outcome: 'OK', signs: [] } as const;
      log.take(job, [], () => []);
    }
    log.commit();
    const program = block(await page('spec/audit-log.md'), 'python');
    const verified = await mustRun(python.python, ['-', file], { input: program });
    assert.match(verified.stdout, /^5 records, tree head [\w+/]{43}=\n$/);
    const prefix = await mustRun(python.python, ['-', file, '4'], { input: program });
    assert.match(prefix.stdout, /^4 records, tree head /);
    log.close();

    const change = `import sqlite3; db = sqlite3.connect(${JSON.stringify(file)}); \
db.execute("UPDATE records SET entry = CAST(replace(CAST(entry AS TEXT), 'Encrypt', 'Decrypt') AS BLOB) WHERE idx = 2"); db.commit()`;
    await mustRun(python.python, ['-c', change]);
    const { ok, output } = await run(python.python, ['-', file], { input: program });
    assert.equal(ok, false);
    assert.match(output, /record 2: the leaf hash is another/);
  });
});

suite('deploy/', () => {
  test('the example of a configuration is one, and serves with TLS and an explicit seal', async () => {
    const text = await page('deploy/claviger.example.yaml');
    const referenced = text.replace(/file:\S+\/passphrase/, '${PASSPHRASE}');
    const config = parseConfig(referenced, '/etc/claviger', { PASSPHRASE: 'twelve characters' });
    assert.equal(config.tls?.minVersion, '1.3');
    assert.equal(config.seal?.kind, 'passphrase');
    // What is commented out holds as well.
    parseConfig(referenced.replace('# policies:', 'policies:'), '/etc/claviger', { PASSPHRASE: 'twelve characters' });
  });
});

suite('pages', () => {
  test('link only to what is there', async () => {
    const broken: string[] = [];
    for await (const file of glob('{*.md,docs/**/*.md,spec/**/*.md}', { cwd: ROOT })) {
      const text = await page(file);
      for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue;
        const [path, anchor] = target!.split('#') as [string, string | undefined];
        const to = path === '' ? file : relative(ROOT, join(ROOT, dirname(file), path));
        const found = await page(to).catch((error: NodeJS.ErrnoException) => (error.code === 'EISDIR' ? '' : null));
        if (found === null || (anchor !== undefined && !anchorsOf(found).has(anchor)))
          broken.push(`${file}: ${target!}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  test('README.md shows the example that a test runs', async () => {
    const [readme, example] = await Promise.all([page('README.md'), page('examples/ten-lines.mjs')]);
    assert.ok(readme.includes(`\`\`\`js\n${example}\`\`\``));
  });

  test('the guide of envelope encryption shows the stream that a test runs', async () => {
    const [guide, example] = await Promise.all([
      page('docs/guides/envelope-encryption.md'),
      page('examples/encrypt-stream.mjs'),
    ]);
    assert.ok(guide.includes(`\`\`\`js\n${example}\`\`\``));
  });
});

/** Anchors of headings, as they are made of their words. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
