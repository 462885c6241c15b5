import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../../src/policy/cedar.ts';
import { CONTEXT_FIELDS, readsOf } from '../../../src/policy/reads.ts';

function reads(condition: string): readonly string[] {
  const text = `forbid (principal, action, resource) when { ${condition} };`;
  return [...readsOf(parsePolicy({ text, line: 1 }, () => 'x').json)];
}

test('a policy reads the fields of the context that it names', () => {
  assert.deepEqual(reads('true'), []);
  assert.deepEqual(reads('principal.name == "sourceAddress"'), []);
  assert.deepEqual(reads('context.gateway == "rest"'), []);
  assert.deepEqual(reads('context.sourceAddress.isLoopback()'), ['sourceAddress']);
  assert.deepEqual(reads('context["sourceAddress"].isLoopback()'), ['sourceAddress']);
  assert.deepEqual(reads('context has sourceAddress'), ['sourceAddress']);
  assert.deepEqual(reads('context has "sourceAddress"'), ['sourceAddress']);
  assert.deepEqual(reads('context has sourceAddress.any.thing'), ['sourceAddress']);
  assert.deepEqual(reads('if context.encryptionContext.hasTag("a") then true else false'), ['encryptionContext']);
  assert.deepEqual(
    reads('[context.gateway, "x"].contains("y") || context has sourceAddress || context.encryptionContext.hasTag("a")'),
    CONTEXT_FIELDS,
  );
});

test('a policy that uses the context as a whole reads all of it', () => {
  assert.deepEqual(reads('context == {}'), CONTEXT_FIELDS);
  assert.deepEqual(reads('(if true then context else context).gateway == "rest"'), CONTEXT_FIELDS);
  assert.deepEqual(reads('(if true then context else context) has sourceAddress'), CONTEXT_FIELDS);
  assert.deepEqual(reads('{a: context}.a.gateway == "rest"'), CONTEXT_FIELDS);
});
