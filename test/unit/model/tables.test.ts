import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClavigerError,
  errorOf,
  ERRORS,
  REASONS,
  toClavigerError,
  type ErrorCode,
  type Reason,
} from '../../../src/errors.ts';
import { ENCRYPTION_ALGORITHMS, MAC_ALGORITHMS, SIGNING_ALGORITHMS } from '../../../src/model/algorithm.ts';
import {
  BATCH_OPERATIONS,
  GOVERN_OPERATIONS,
  JOB_OPERATIONS,
  MANAGE_OPERATIONS,
  policyAction,
  READ_OPERATIONS,
  USE_OPERATIONS,
} from '../../../src/model/operation.ts';
import { CONFLICTING_ROLES, requireCompatibleRoles, ROLES, undelegable } from '../../../src/model/principal.ts';
import {
  algorithmsOf,
  defaultUsage,
  isAsymmetric,
  SPEC_NAMES,
  SPECS,
  specOfAws,
  specRow,
  USAGES,
} from '../../../src/model/spec.ts';

test('the specs are those of the design, each with its usages and algorithms', () => {
  const table = Object.fromEntries(SPEC_NAMES.map((name) => [name, Object.keys(SPECS[name].usages).join(' ')]));
  assert.deepEqual(table, {
    'AES-256-GCM': 'encrypt-decrypt',
    'RSA-2048': 'sign-verify encrypt-decrypt',
    'RSA-3072': 'sign-verify encrypt-decrypt',
    'RSA-4096': 'sign-verify encrypt-decrypt',
    'P-256': 'sign-verify key-agreement',
    'P-384': 'sign-verify key-agreement',
    'P-521': 'sign-verify key-agreement',
    secp256k1: 'sign-verify',
    Ed25519: 'sign-verify',
    X25519: 'key-agreement',
    'HMAC-SHA-224': 'mac',
    'HMAC-SHA-256': 'mac',
    'HMAC-SHA-384': 'mac',
    'HMAC-SHA-512': 'mac',
    'ML-DSA-44': 'sign-verify',
    'ML-DSA-65': 'sign-verify',
    'ML-DSA-87': 'sign-verify',
    'ML-KEM-512': 'kem',
    'ML-KEM-768': 'kem',
    'ML-KEM-1024': 'kem',
  });
});

test('every algorithm that a spec names is in the table of its usage', () => {
  const tables: Record<string, object> = {
    'encrypt-decrypt': ENCRYPTION_ALGORITHMS,
    'sign-verify': SIGNING_ALGORITHMS,
    mac: MAC_ALGORITHMS,
    'key-agreement': { ECDH: 1 },
    kem: { ML_KEM: 1 },
  };
  for (const name of SPEC_NAMES) {
    for (const usage of USAGES) {
      for (const algorithm of algorithmsOf(name, usage)) assert.ok(algorithm in tables[usage]!, `${name} ${algorithm}`);
    }
    assert.ok(algorithmsOf(name, defaultUsage(name)).length > 0);
    assert.equal(specOfAws(specRow(name).aws), name);
  }
});

test('a secret key has no public one, every other has', () => {
  const secret = SPEC_NAMES.filter((name) => !isAsymmetric(name));
  assert.deepEqual(secret, ['AES-256-GCM', 'HMAC-SHA-224', 'HMAC-SHA-256', 'HMAC-SHA-384', 'HMAC-SHA-512']);
});

test('HMAC keys are as long as their hash', () => {
  for (const [name, { macBytes }] of Object.entries(MAC_ALGORITHMS)) {
    const spec = SPEC_NAMES.find((spec) => algorithmsOf(spec, 'mac').includes(name as never))!;
    assert.equal(specRow(spec).size, macBytes);
  }
});

test('every operation stands in one group', () => {
  const groups = [USE_OPERATIONS, MANAGE_OPERATIONS, READ_OPERATIONS, GOVERN_OPERATIONS, JOB_OPERATIONS];
  const all: string[] = groups.flat();
  assert.equal(new Set(all).size, all.length);
  for (const single of Object.values(BATCH_OPERATIONS)) assert.ok(all.includes(single));
});

test('a batch needs the right of what it does many times, every other operation its own', () => {
  assert.equal(policyAction('SignBatch'), 'Sign');
  assert.equal(policyAction('Sign'), 'Sign');
});

test('roles that conflict are refused together, alone and with others, in any order', () => {
  for (const [a, b] of CONFLICTING_ROLES) {
    requireCompatibleRoles([a]);
    requireCompatibleRoles([b]);
    for (const roles of [[a, b], [b, a], [...ROLES]]) {
      assert.throws(() => requireCompatibleRoles(roles), { code: 'INVALID_ARGUMENT', message: /make two tokens$/ });
    }
  }
  requireCompatibleRoles([]);
  requireCompatibleRoles(['key-administrator', 'crypto-user', 'approver']);
});

test('only an officer gives roles away, and gives any', () => {
  for (const role of ROLES) {
    assert.deepEqual(undelegable([role], ROLES), role === 'security-officer' ? [] : ROLES);
  }
  assert.deepEqual(undelegable([], ['auditor']), ['auditor']);
});

test('every error has a status of HTTP and a name of AWS, and a reason may have its own', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const error = new ClavigerError(code, 'm');
    assert.ok(error.http >= 400 && error.http < 600, code);
    assert.match(error.aws, /Exception$/);
  }
  for (const reason of Object.keys(REASONS) as Reason[]) {
    const error = errorOf(reason, 'm');
    assert.ok(error.code in ERRORS);
    assert.match(error.aws, /Exception$/);
  }
  assert.equal(errorOf('BodyTooLarge', 'm').http, 413);
  assert.equal(new ClavigerError('LIMIT_EXCEEDED', 'm').http, 400);
});

test('what is not ours becomes INTERNAL and says nothing of the inside', () => {
  for (const thrown of [new Error('SELECT secret FROM inside'), 'text', null, undefined, { code: 'KEY_STATE' }]) {
    const error = toClavigerError(thrown);
    assert.equal(error.code, 'INTERNAL');
    assert.equal(error.message, 'an internal error occurred; quote the request id to your operator');
  }
  const own = new ClavigerError('KEY_STATE', 'm');
  assert.equal(toClavigerError(own), own);
});
