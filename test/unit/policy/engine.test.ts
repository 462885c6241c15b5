import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { USE_COMPROMISED } from '../../../src/model/operation.ts';
import { ClavigerError } from '../../../src/errors.ts';
import { PolicyEngine } from '../../../src/policy/engine.ts';
import { key, ofKey, ofTenant, principal, question, withFolder } from './world.ts';

const engine = PolicyEngine.load();

function engineWith(files: Readonly<Record<string, string>>): PolicyEngine {
  return withFolder(files, (folder) => PolicyEngine.load({ folder }));
}

function refusesFolder(files: Readonly<Record<string, string>>, message: RegExp): void {
  assert.throws(
    () => engineWith(files),
    (thrown) => {
      assert.ok(thrown instanceof ClavigerError, String(thrown));
      assert.equal(thrown.code, 'INVALID_ARGUMENT');
      assert.match(thrown.message, message);
      return true;
    },
  );
}

describe('a decision is kept', () => {
  test('for the same principal and key, and is the same frozen object', () => {
    const request = question();
    const first = engine.decide(request);
    assert.ok(Object.isFrozen(first) && Object.isFrozen(first.policies));
    assert.equal(engine.decide({ ...request, context: { sourceAddress: '11.1.1.1', gateway: 'rest' } }), first);
    assert.equal(engine.decide({ ...request, context: { ...request.context, encryptionContext: { a: 'b' } } }), first);
  });

  test('for the same principal and tenant', () => {
    const request = question({ action: 'GenerateRandom', resource: ofTenant() });
    assert.equal(engine.decide({ ...request, resource: ofTenant() }), engine.decide(request));
    assert.equal(engine.decide({ ...request, resource: ofTenant('tenant-2') }).allowed, false);
  });

  test('and made anew for a changed key', () => {
    const before = key();
    const request = question({ resource: { kind: 'key', key: before } });
    assert.ok(engine.decide(request).allowed);
    const shut = { ...before, policy: 'forbid (principal, action, resource);' };
    assert.equal(engine.decide({ ...request, resource: { kind: 'key', key: shut } }).allowed, false);
    const open = { ...shut, policy: null };
    assert.ok(engine.decide({ ...request, resource: { kind: 'key', key: open } }).allowed);
  });

  test('and made anew for a key whose tags or state changed under the same policy', () => {
    const policy = `forbid (principal, action in Claviger::Action::"Use", resource is Claviger::Key)
      when { resource.hasTag("shut") };`;
    const request = question({ resource: ofKey({ policy }) });
    assert.ok(engine.decide(request).allowed);
    assert.equal(engine.decide({ ...request, resource: ofKey({ policy, tags: { shut: '1' } }) }).allowed, false);
  });

  test('and made anew for a changed principal', () => {
    const request = question();
    assert.ok(engine.decide(request).allowed);
    assert.equal(engine.decide({ ...request, principal: { ...request.principal, roles: ['auditor'] } }).allowed, false);
    assert.equal(
      engine.decide({ ...request, principal: { ...request.principal, tenantId: 'tenant-2' } }).allowed,
      false,
    );
  });

  test('for each action and gateway apart', () => {
    const request = question({
      resource: ofKey({ policy: 'forbid (principal, action, resource) when { context.gateway == "aws" };' }),
    });
    for (let round = 0; round < 2; round++) {
      assert.ok(engine.decide(request).allowed);
      assert.equal(engine.decide({ ...request, action: 'RotateKey' }).allowed, false);
      assert.equal(engine.decide({ ...request, context: { ...request.context, gateway: 'aws' } }).allowed, false);
    }
  });

  test('for each source address apart, where a policy reads it', () => {
    const policy = `forbid (principal, action, resource)
      unless { context has sourceAddress && context.sourceAddress == ip("10.0.0.1") };`;
    const request = question({ resource: ofKey({ policy }) });
    const from = (sourceAddress: string | null) =>
      engine.decide({ ...request, context: { ...request.context, sourceAddress } });
    for (let round = 0; round < 2; round++) {
      assert.ok(from('10.0.0.1').allowed);
      assert.equal(from('10.0.0.2').allowed, false);
      assert.equal(from(null).allowed, false);
    }
    assert.equal(from('10.0.0.1'), from('10.0.0.1'));
  });

  test('for each encryption context apart, where a policy reads it, whatever the order of its pairs', () => {
    const policy = `forbid (principal, action, resource)
      unless { context.encryptionContext.hasTag("a") && context.encryptionContext.getTag("a") == "1" };`;
    const request = question({ resource: ofKey({ policy }) });
    const bound = (encryptionContext: Record<string, string>) =>
      engine.decide({ ...request, context: { ...request.context, encryptionContext } });
    for (let round = 0; round < 2; round++) {
      assert.ok(bound({ a: '1', b: '2' }).allowed);
      assert.equal(bound({ a: '2', b: '1' }).allowed, false);
      assert.equal(bound({ b: '1' }).allowed, false);
      assert.equal(bound({}).allowed, false);
      assert.equal(engine.decide(request).allowed, false);
      assert.ok(bound({ a: '1', long: 'x'.repeat(5000) }).allowed);
      assert.equal(bound({ a: '2', long: 'x'.repeat(5000) }).allowed, false);
    }
    assert.equal(bound({ a: '1', b: '2' }), bound({ b: '2', a: '1' }));
  });

  test('in bounded numbers, without a wrong answer', () => {
    const policy = `forbid (principal, action, resource)
      unless { context has sourceAddress && context.sourceAddress.isInRange(ip("10.0.0.0/9")) };`;
    const request = question({ resource: ofKey({ policy }) });
    for (let index = 0; index < 1500; index++) {
      const sourceAddress = `10.${index % 256}.0.${Math.floor(index / 256)}`;
      assert.equal(
        engine.decide({ ...request, context: { ...request.context, sourceAddress } }).allowed,
        index % 256 < 128,
      );
    }
  });

  test('also for more key policies than Cedar holds at once', () => {
    const requests = Array.from({ length: 300 }, (_, index) => {
      const policy = `forbid (principal, action, resource) unless { principal.name == "user-${index}" };`;
      return question({
        principal: principal(['crypto-user'], { name: `user-${index - (index % 2)}` }),
        resource: ofKey({ policy }),
      });
    });
    for (let round = 0; round < 2; round++) {
      requests.forEach((request, index) => assert.equal(engine.decide(request).allowed, index % 2 === 0));
    }
  });

  test('at less than 2 µs for each answer from memory', () => {
    const request = question();
    engine.decide(request);
    const startMs = performance.now();
    for (let index = 0; index < 100_000; index++) engine.decide(request);
    const eachUs = ((performance.now() - startMs) * 1000) / 100_000;
    assert.ok(eachUs < 2, `${eachUs} µs`);
  });
});

describe("an operator's policies", () => {
  test('may permit the use of compromised keys, which nothing of ours does', () => {
    const request = question({ action: USE_COMPROMISED });
    assert.deepEqual(engine.decide(request), { allowed: false, policies: [] });
    const open = engineWith({
      'incident.cedar': `@id("forensics") @explain("until the incident is closed")
        permit (principal in Claviger::Role::"crypto-user", action == Claviger::Action::"UseCompromisedKey", resource)
        when { principal.name == "billing" };`,
    });
    assert.deepEqual(open.decide(request), { allowed: true, policies: ['incident/forensics'] });
    assert.deepEqual(open.explain(request).reasons, [
      'permitted by `incident/forensics`: until the incident is closed',
    ]);
    const other = principal(['crypto-user'], { name: 'shop' });
    assert.equal(open.decide({ ...request, principal: other }).allowed, false);
  });

  test('may forbid, and win over every permit', () => {
    const inside = engineWith({
      'network.cedar': `forbid (principal, action, resource)
        unless { context has sourceAddress && context.sourceAddress.isInRange(ip("10.0.0.0/8")) };`,
    });
    const request = question();
    assert.ok(inside.decide(request).allowed);
    assert.deepEqual(inside.decide({ ...request, context: { gateway: 'rest', sourceAddress: '192.0.2.1' } }), {
      allowed: false,
      policies: ['network/1'],
    });
    assert.ok(inside.decide(request).allowed);
  });

  test("are decided together with the key's own", () => {
    const both = engineWith({ 'a.cedar': 'forbid (principal, action, resource) when { context.gateway == "rest" };' });
    const policy = 'forbid (principal, action, resource) when { principal.name == "billing" };';
    assert.deepEqual(both.decide(question({ resource: ofKey({ policy }) })).policies, ['a/1', 'key-policy/1']);
  });

  test('are called by file and number, or by file and `@id`, with the file named once', () => {
    const text = `permit (principal, action == Claviger::Action::"UseCompromisedKey", resource);
      @id("two") permit (principal, action == Claviger::Action::"UseCompromisedKey", resource);
      @id("b/three") permit (principal, action == Claviger::Action::"UseCompromisedKey", resource);`;
    const { policies } = engineWith({ 'b.cedar': text, 'a.cedar': text, 'notes.txt': 'not Cedar' }).decide(
      question({ action: USE_COMPROMISED }),
    );
    assert.deepEqual(policies, ['a/1', 'a/b/three', 'a/two', 'b/1', 'b/three', 'b/two']);
  });

  test('of one engine say nothing in another', () => {
    const shut = engineWith({ 'shut.cedar': 'forbid (principal, action, resource);' });
    const request = question();
    assert.ok(engine.decide(request).allowed);
    assert.equal(shut.decide(request).allowed, false);
    assert.ok(engine.decide(request).allowed);
  });

  test('that are broken are refused at load, by file, line and policy', () => {
    const good = 'forbid (principal, action, resource) when { context.gateway == "x" };\n';
    refusesFolder(
      { 'good.cedar': good, 'bad.cedar': `${good}permit (principal, action` },
      /^policy file `bad\.cedar`, line 2: unexpected end of input/,
    );
    refusesFolder(
      { 'bad.cedar': `${good}\n@id("mine")\npermit (principal, action == Claviger::Action::"Encrypted", resource);` },
      /^policy file `bad\.cedar`, line 3, policy `bad\/mine`: unrecognized action `Claviger::Action::"Encrypted"`.*did you mean/,
    );
    refusesFolder(
      { 'bad.cedar': 'permit (principal == ?principal, action, resource);' },
      /^policy file `bad\.cedar`, line 1: .*template/,
    );
    refusesFolder(
      { 'bad.cedar': '@id("a b") permit (principal, action, resource);' },
      /^policy file `bad\.cedar`, line 1: `@id` must be at most 128/,
    );
    refusesFolder(
      { 'bad.cedar': `permit (principal, action, resource) when {${'('.repeat(400)}` },
      /^policy file `bad\.cedar`, line 1: brackets/,
    );
    refusesFolder({ 'big.cedar': ' '.repeat(300_000) }, /^policy file `big\.cedar`, a file has at most/);
  });

  test('cannot take a name that is taken', () => {
    const text = '@id("use") permit (principal, action == Claviger::Action::"UseCompromisedKey", resource);';
    refusesFolder({ 'crypto-user.cedar': text }, /another policy is called `crypto-user\/use`/);
    refusesFolder(
      { 'own.cedar': text + text },
      /^policy file `own\.cedar`, line 1: another policy is called `own\/use`/,
    );
    refusesFolder({ 'key-policy.cedar': text }, /^policy file `key-policy\.cedar`: the name is taken/);
  });

  test('in a folder that is not there are missed', () => {
    assert.throws(() => PolicyEngine.load({ folder: '/nowhere/policies' }), {
      code: 'INVALID_ARGUMENT',
      message: /cannot be read/,
    });
  });

  test('that fail while they are evaluated refuse, a permit as well as a forbid', () => {
    const overflow = 'when { 9223372036854775807 + (if principal.name == "billing" then 1 else 0) == 0 };';
    for (const effect of ['permit', 'forbid']) {
      const failing = engineWith({ 'sum.cedar': `${effect} (principal, action, resource) ${overflow}` });
      const request = question();
      assert.equal(failing.decide(request).allowed, false);
      assert.match(failing.explain(request).reasons.join(), /cannot be evaluated: policy `sum\/1`: .*overflow/);
      assert.ok(failing.decide(question({ principal: principal(['crypto-user'], { name: 'shop' }) })).allowed);
    }
  });
});

describe('an explanation', () => {
  test('says what permits', () => {
    assert.deepEqual(engine.explain(question()), {
      allowed: true,
      policies: ['crypto-user/use'],
      reasons: ['permitted by `crypto-user/use`: crypto users use keys'],
    });
  });

  test('says what forbids', () => {
    const { allowed, reasons } = engine.explain(question({ resource: ofKey({ tenantId: 'tenant-2' }) }));
    assert.equal(allowed, false);
    assert.deepEqual(reasons, ['forbidden by `tenant-isolation`: nothing of another tenant is within reach']);
  });

  test('says that nothing permits, and to whom it would be permitted', () => {
    assert.deepEqual(engine.explain(question({ action: 'RotateKey' })).reasons, [
      'no policy permits RotateKey to `billing`, whose roles are crypto-user',
      'permitted to the roles: key-administrator',
    ]);
    assert.deepEqual(engine.explain(question({ action: 'DestroyKey', principal: principal([]) })).reasons, [
      'no policy permits DestroyKey to `billing`, who has no role',
      'no role would permit it',
    ]);
  });

  test('agrees with the decision', () => {
    for (const request of [
      question(),
      question({ action: 'RotateKey' }),
      question({ resource: ofKey({ policy: 'x' }) }),
    ]) {
      const { allowed, policies } = engine.explain(request);
      assert.deepEqual({ allowed, policies }, engine.decide(request));
    }
  });
});
