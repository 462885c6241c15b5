/**
 * spec/field-value.md against the code, and against Python's `cryptography`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { indexTerm } from '../../../src/envelope/fields/blind-index.ts';
import { declare } from '../../../src/envelope/fields/declaration.ts';
import { FieldKey } from '../../../src/envelope/fields/field-key.ts';
import {
  encodeHeader,
  rowAad,
  columnAad,
  parseField,
  toStored,
  type FieldKind,
} from '../../../src/envelope/fields/field-value.ts';
import { decodeValue, encodeValue } from '../../../src/envelope/fields/typed-value.ts';
import { requirePeer } from '../../../tools/peers/require.ts';
import { mustRun, ROOT } from '../../../tools/run.ts';

const PAGE = readFileSync(join(ROOT, 'spec/field-value.md'), 'utf8');
const KEY = new FieldKey(Buffer.from(Array.from({ length: 32 }, (_, at) => at)));
const NONCE = Buffer.from(Array.from({ length: 24 }, (_, at) => 0x40 + at));
const COLUMNS: Readonly<Record<FieldKind, string>> = { random: 'email', deterministic: 'iban' };

/** The value of an example: the n-th block of hexadecimal digits. */
function example(kind: FieldKind): Buffer {
  const blocks = [...PAGE.matchAll(/^```\n(cf .*?)^```/gms)].map(([, hex]) => hex!.replaceAll(/\s/g, ''));
  return Buffer.from(blocks[kind === 'random' ? 0 : 1]!, 'hex');
}

for (const kind of ['random', 'deterministic'] as const) {
  test(`the ${kind} example is what our code makes of the same inputs, and opens`, () => {
    const header = encodeHeader(kind, 1);
    const column = columnAad(header, 'acme', 'customers', COLUMNS[kind]);
    const aad = kind === 'random' ? rowAad(column, '42', 'c7') : column;
    const plaintext = encodeValue('string', 'hello', 0);
    const sealed =
      kind === 'random'
        ? KEY.sealRandom(header, plaintext, aad, { bytes: () => NONCE })
        : KEY.sealDeterministic(header, plaintext, aad);
    assert.deepEqual(sealed, example(kind));
    const parsed = parseField(example(kind));
    assert.ok(typeof parsed === 'object');
    const opened = kind === 'random' ? KEY.openRandom(parsed.body, aad) : KEY.openDeterministic(parsed.body, aad);
    assert.deepEqual(decodeValue(opened), { type: 'string', value: 'hello' });
  });
}

test('the text of the example is its bytes in base64url', () => {
  const [, text] = /^```text\n(.*?)\n```/ms.exec(PAGE)!;
  assert.equal(text, toStored(example('random'), 'text'));
});

test('the index term of the page is what our code makes', () => {
  const columns = { email: { type: 'string', index: { bits: 20, normalize: 'email' } } } as const;
  const table = declare({ table: 'customers', row: 'id', columns });
  const column = table.columns.get('email')!;
  const [index] = column.indexes;
  const term = indexTerm(table, column, index!, index!.versions[0]!, 1, KEY, ' Hello@Example.org');
  assert.ok(PAGE.includes(`\`${term as string}\``), String(term));
});

test('the programs in Python, which know nothing of ours, open the examples', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const programs = [...PAGE.matchAll(/^```python\n(.*?)^```/gms)].map(([, program]) => program!);
  assert.equal(programs.length, 2);
  for (const program of programs) {
    const { stdout } = await mustRun(python.python, ['-'], { input: program });
    assert.equal(stdout, 'hello\n');
  }
});
