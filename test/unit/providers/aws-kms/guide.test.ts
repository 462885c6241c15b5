/** The guide says what the code does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { z } from 'zod';
import { awsKmsSchema } from '../../../../src/providers/aws-kms/index.ts';
import { commonFields } from '../../../../src/providers/config.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guides/providers/aws-kms.md'), 'utf8');
const CLIENT = readFileSync(join(ROOT, 'src/providers/aws-kms/client.ts'), 'utf8');

/** Operation → what IAM calls it, where that is another name. */
const ACTIONS: Readonly<Record<string, readonly string[]>> = { ReEncrypt: ['ReEncryptFrom', 'ReEncryptTo'] };
/** Asked for in words: few need them. */
const IN_WORDS = new Set(['GenerateRandom', 'ListKeys']);

describe('the guide of AWS KMS', () => {
  test('has a row for every field', () => {
    const { credentials, assumeRole } = awsKmsSchema.shape;
    const nested = (name: string, schema: z.ZodObject): string[] =>
      Object.keys(schema.shape).map((field) => `${name}.${field}`);
    const own = Object.keys(awsKmsSchema.shape).filter((name) => !(name in commonFields) && name !== 'kind');
    const fields = [
      ...own.filter((name) => name !== 'credentials' && name !== 'assumeRole'),
      ...nested('credentials', credentials.unwrap()),
      ...nested('assumeRole', assumeRole.unwrap()),
    ];
    for (const field of fields) assert.ok(GUIDE.includes(`\n| \`${field}\` |`), field);
    for (const field of Object.keys(commonFields)) assert.ok(GUIDE.includes(`\`${field}\``), field);
  });

  test('has a policy with the right to every call that is made, and to no other', () => {
    const policies = [...GUIDE.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text!));
    assert.equal(policies.length, 2);
    const allowed = policies.flatMap(({ Statement }) => Statement.flatMap(({ Action }: any) => Action)) as string[];
    const operations = [...CLIENT.matchAll(/Sdk\.(\w+)CommandInput/g)].map(([, name]) => name!);
    const needed = operations
      .filter((name) => !IN_WORDS.has(name))
      .flatMap((name) => ACTIONS[name] ?? [name])
      .map((name) => `kms:${name}`);
    assert.ok(needed.length > 15);
    assert.deepEqual([...new Set(allowed)].toSorted(byName), needed.toSorted(byName));
    for (const name of IN_WORDS) assert.ok(GUIDE.includes(`\`kms:${name}\``), name);
  });
});

function byName(one: string, other: string): number {
  return one < other ? -1 : 1;
}
