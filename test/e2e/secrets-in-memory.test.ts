/**
 * No key that was used and given up again is to be found in the memory of the process, nor in a snapshot of its heap.
 *
 * A child process uses keys that this one knows in every way there is. Its memory is searched twice: while it holds some of
 * them, which must be found, or the search could find nothing; and when it has given all of them up. What is beyond this is
 * told in docs/operating/threat-model.md, "Keys in memory".
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, hkdfSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test, type TestContext } from 'node:test';
import { canReadMemory, searchBytes, searchMemory } from '../support/process-memory.ts';
import type { KnownKey } from '../support/secrets-child.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const CHILD = join(import.meta.dirname, '..', 'support', 'secrets-child.ts');

interface Look {
  readonly keys: readonly KnownKey[];
  /** `root key: hex`. */
  readonly memory: ReadonlySet<string>;
  readonly snapshot: ReadonlySet<string>;
}

const folder = testFolder();
const looks = new Map<string, Look>();
let readable = true;

before(async () => {
  const root = { format: 'claviger-root-key-v1', key: bytesOf('root key').toString('base64') };
  writeFileSync(join(folder, 'root.key'), `${JSON.stringify(root)}\n`, { mode: 0o600 });
  const child = spawn(process.execPath, ['--expose-gc', CHILD, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  readable = canReadMemory(child.pid!);
  for await (const line of createInterface({ input: child.stdout })) {
    const { word, keys } = JSON.parse(line) as { word: string; keys: readonly KnownKey[] };
    looks.set(word, look(child, word, keys));
    child.stdin.write('\n');
  }
  assert.equal(child.exitCode ?? (await new Promise((resolve) => child.on('exit', resolve))), 0);
});
after(() => removeFolder(folder));

function look({ pid }: ChildProcess, word: string, keys: readonly KnownKey[]): Look {
  const needles = new Map(keys.flatMap((key) => writings(key.name, materialOf(key, keys))));
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    const name = `held in ${encoding}`;
    for (const [written, bytes] of writings(name, bytesOf(name))) needles.set(written, bytes);
  }
  const snapshot = searchBytes(readFileSync(join(folder, `${word}.heapsnapshot`)), needles);
  return { keys, memory: readable ? searchMemory(pid!, needles) : new Set(), snapshot };
}

/** The key of a name, as the child makes it. */
function bytesOf(name: string): Buffer {
  return createHash('sha256').update(`known key: ${name}`).digest();
}

function materialOf({ name, derived }: KnownKey, keys: readonly KnownKey[]): Buffer {
  if (derived === undefined) return bytesOf(name);
  const { from, hash, saltHex, infoHex } = derived;
  const base = materialOf(
    keys.find((key) => key.name === from)!,
    keys,
  );
  return Buffer.from(hkdfSync(hash, base, Buffer.from(saltHex, 'hex'), Buffer.from(infoHex, 'hex'), base.length));
}

/**
 * Every way in which a key may stand somewhere; a half of one is found, too. Big numbers of OpenSSL have their least
 * byte first, and strings of V8 one byte or two for a character.
 */
function writings(name: string, key: Buffer): readonly (readonly [string, Buffer])[] {
  const half = key.length / 2;
  const texts = [
    ['hex', key.toString('hex').slice(0, 32)],
    ['hex, upper case', key.toString('hex').slice(0, 32).toUpperCase()],
    ['base64', key.toString('base64').slice(0, 40)],
    ['base64url', key.toString('base64url').slice(0, 40)],
  ] as const;
  return [
    [`${name}: raw`, key.subarray(0, half)],
    [`${name}: raw, second half`, key.subarray(half)],
    [`${name}: reversed`, Buffer.from(key).reverse().subarray(0, half)],
    ...texts.map(([how, text]) => [`${name}: ${how}`, Buffer.from(text)] as const),
    ...texts.map(([how, text]) => [`${name}: ${how}, two bytes each`, Buffer.from(text, 'utf16le')] as const),
  ];
}

/** False where the system keeps the memory of processes even from those who started them. */
function requireReadable(t: TestContext): boolean {
  if (readable) return true;
  const reason = '/proc/PID/mem cannot be read here';
  if (process.env['CI'] === 'true') throw new Error(reason);
  t.skip(reason);
  return false;
}

suite('keys in memory', { skip: process.platform !== 'linux' && 'only Linux shows the memory of a process' }, () => {
  test('are found while they are held, so that the search can be believed', (t) => {
    if (!requireReadable(t)) return;
    const { keys, memory } = looks.get('held')!;
    assert.ok(keys.length >= 18, JSON.stringify(keys));
    const found = (start: string, how: string): boolean =>
      keys.some(({ name }) => name.startsWith(start) && memory.has(`${name}: ${how}`));
    for (const start of [
      'held on purpose',
      'root key',
      'tenant key',
      'key of seals of wraps',
      'imported material',
      'made MAC key',
      'raw AES key',
      'cached data key',
      'field key',
    ]) {
      assert.ok(found(start, 'raw') && found(start, 'raw, second half'), `${start}: ${[...memory].join('; ')}`);
    }
    assert.ok(found('imported scalar', 'reversed'));
    for (const encoding of ['hex', 'base64', 'base64url'])
      assert.ok(memory.has(`held in ${encoding}: ${encoding}`), encoding);
  });

  test('are found in a snapshot of the heap where they are held as text', () => {
    const { snapshot } = looks.get('held')!;
    for (const encoding of ['hex', 'base64', 'base64url'])
      assert.ok(snapshot.has(`held in ${encoding}: ${encoding}`), encoding);
  });

  test('are never in the heap, not even while they are held', () => {
    for (const { keys, snapshot } of looks.values()) {
      assert.deepEqual(
        [...snapshot].filter((written) => keys.some(({ name }) => written.startsWith(`${name}: `))),
        [],
      );
    }
  });

  test('are gone once they were given up: in no encoding, not by half', (t) => {
    if (!requireReadable(t)) return;
    const { keys, memory } = looks.get('released')!;
    assert.deepEqual(
      [...memory].filter((written) => keys.some(({ name }) => written.startsWith(`${name}: `))),
      [],
    );
  });

  test('that are used for one call are gone after it, while the service goes on', (t) => {
    if (!requireReadable(t)) return;
    const { keys, memory } = looks.get('held')!;
    const once = keys.filter(({ name }) => /^(data key|key of a (message|file)|imported scalar)/.test(name));
    assert.ok(once.length >= 6);
    const left = once.flatMap(({ name }) => [...memory].filter((written) => written.startsWith(`${name}: `)));
    assert.deepEqual(
      left.filter((written) => written !== 'imported scalar: reversed'),
      [],
    );
  });
});
