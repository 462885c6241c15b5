/** What docs/guides/audit-verification.md shows, as somebody would type it who has none of our software. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FINDINGS } from '../../src/audit/verifier/index.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { ROOT, run } from '../../tools/run.ts';
import { runShell } from '../support/cli.ts';
import {
  entriesOf,
  fixtureFiles,
  fixtureKey,
  fixtureRecords,
  putEntries,
  writeFiles,
  type Files,
} from '../support/log-fixture.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const GUIDE = readFileSync(join(ROOT, 'docs/guides/audit-verification.md'), 'utf8');
const key = fixtureKey();
const records = fixtureRecords({ records: 300, redaction: { at: 290, from: 0, to: 50 } });
const SIZES = [100, 256, 300];

let folder: string;
before(() => {
  folder = testFolder();
  writeFileSync(join(folder, 'log.key'), `${key.vkey}\n`);
  writeFileSync(join(folder, 'verify-export.py'), block('python'));
  writeFiles(join(folder, 'export'), fixtureFiles(records, key, SIZES));
});
after(() => removeFolder(folder));

function block(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(GUIDE);
  assert.ok(found, `no block of ${language}`);
  return found[1]!;
}

describe('the guide', () => {
  test('has every finding in its table, and none that does not exist', () => {
    const named = [...GUIDE.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, kind]) => kind!);
    assert.deepEqual(named.toSorted(), Object.keys(FINDINGS).toSorted());
  });

  test('its program in Python verifies an export, and finds what was changed', async (t) => {
    const [python, openssl] = [await requirePeer(t, 'python'), await requirePeer(t, 'openssl')];
    if (python === null || openssl === null) return;
    const verify = (name: string) =>
      run(python.python, [join(folder, 'verify-export.py'), join(folder, name), join(folder, 'log.key')]);
    const good = await verify('export');
    assert.match(good.stdout, /^300 records, 3 checkpoints, root [\w+/]{43}=: verified\n$/, good.output);

    const changes: Readonly<Record<string, readonly [change: (files: Files) => void, message: RegExp]>> = {
      edited: [
        (files) => {
          const copy = structuredClone(records);
          copy[120]!.fields['outcome'] = 'INTERNAL';
          putEntries(files, entriesOf(copy));
        },
        /record 120: its leaf hash is another/,
      ],
      opened: [
        (files) =>
          files.set(
            'openings/000',
            Buffer.from(files.get('openings/000')!.toString().replace('127.0.0.1', '127.0.0.2')),
          ),
        /record \d+: `source` is not what was committed to/,
      ],
      signed: [
        (files) => files.set('checkpoint', fixtureFiles(records, fixtureKey(key.name)).get('checkpoint')!),
        /a signature/,
      ],
      forgotten: [
        (files) => {
          const copy = structuredClone(records);
          copy[291]!.openings = {};
          for (const [path, bytes] of fixtureFiles(copy, key, SIZES)) files.set(path, bytes);
        },
        /record 291: not opened, and no redaction covers it/,
      ],
    };
    for (const [name, [change, message]] of Object.entries(changes)) {
      const files = fixtureFiles(records, key, SIZES);
      change(files);
      writeFiles(join(folder, name), files);
      const { ok, output } = await verify(name);
      assert.equal(ok, false, name);
      assert.match(output, message);
    }
  });

  test('its lines of shell verify a signature', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    const good = await runShell(block('sh'), { cwd: folder });
    assert.deepEqual([good.code, good.stdout], [0, 'Signature Verified Successfully\n'], good.stderr);
    const other = block('sh').replaceAll('export/checkpoint', 'other');
    writeFileSync(join(folder, 'other'), fixtureFiles(records.slice(0, 5), fixtureKey(key.name)).get('checkpoint')!);
    assert.equal((await runShell(other, { cwd: folder })).code, 1);
  });
});
