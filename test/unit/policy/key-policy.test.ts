import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ClavigerError } from '../../../src/errors.ts';
import { parseKeyPolicy, PolicyEngine, type PolicyRequest } from '../../../src/policy/engine.ts';
import { KEY_POLICY_BYTES_MAX } from '../../../src/policy/key-policy.ts';
import { key, ofKey, principal, question } from './world.ts';

const engine = PolicyEngine.load();

function allows(policy: string, request: (resource: PolicyRequest['resource']) => PolicyRequest): boolean {
  return engine.decide(request(ofKey({ policy }))).allowed;
}

function refuses(text: string, message: RegExp): void {
  assert.throws(
    () => parseKeyPolicy(text),
    (thrown) => {
      assert.ok(thrown instanceof ClavigerError, String(thrown));
      assert.equal(thrown.code, 'INVALID_ARGUMENT');
      assert.equal(thrown.reason, 'MalformedPolicyDocument');
      assert.match(thrown.message, message);
      return true;
    },
  );
}

describe('the policy of a key narrows', () => {
  test('by the name of the principal', () => {
    const policy = 'forbid (principal, action, resource) unless { principal.name == "billing" };';
    assert.ok(allows(policy, (resource) => question({ resource })));
    const other = principal(['crypto-user'], { name: 'shop' });
    assert.deepEqual(engine.decide(question({ resource: ofKey({ policy }), principal: other })), {
      allowed: false,
      policies: ['key-policy/1'],
    });
  });

  test('by the id of the principal, and by role', () => {
    const byId = 'forbid (principal, action, resource) unless { principal == Claviger::Principal::"principal-1" };';
    assert.ok(allows(byId, (resource) => question({ resource })));
    const other = principal(['crypto-user'], { id: 'principal-2' });
    assert.equal(
      allows(byId, (resource) => question({ resource, principal: other })),
      false,
    );
    const byRole = 'forbid (principal in Claviger::Role::"crypto-user", action, resource);';
    assert.equal(
      allows(byRole, (resource) => question({ resource })),
      false,
    );
  });

  test('by the action, which leaves the others', () => {
    const policy = '@id("write-only") forbid (principal, action == Claviger::Action::"Decrypt", resource);';
    assert.ok(allows(policy, (resource) => question({ resource })));
    assert.deepEqual(engine.decide(question({ resource: ofKey({ policy }), action: 'Decrypt' })), {
      allowed: false,
      policies: ['key-policy/write-only'],
    });
  });

  test('by a group of actions', () => {
    const policy = 'forbid (principal, action in Claviger::Action::"Manage", resource);';
    const administrator = principal(['key-administrator']);
    assert.equal(
      allows(policy, (resource) => question({ resource, principal: administrator, action: 'RotateKey' })),
      false,
    );
    assert.ok(allows(policy, (resource) => question({ resource, principal: administrator, action: 'DescribeKey' })));
  });

  test('by the encryption context', () => {
    const policy = `forbid (principal, action in Claviger::Action::"Use", resource)
      unless { context.encryptionContext.hasTag("app") && context.encryptionContext.getTag("app") == "billing" };`;
    const withContext = (encryptionContext: Record<string, string> | undefined): boolean =>
      allows(policy, (resource) =>
        question({ resource, context: encryptionContext === undefined ? {} : { encryptionContext } }),
      );
    assert.ok(withContext({ app: 'billing' }));
    assert.ok(withContext({ other: 'x', app: 'billing' }));
    for (const context of [
      undefined,
      {},
      { app: 'shop' },
      { App: 'billing' },
      { 'app=billing': '' },
      { other: 'billing' },
    ]) {
      assert.equal(withContext(context), false, JSON.stringify(context));
    }
  });

  test('by names of the encryption context that objects have of themselves', () => {
    const policy = 'forbid (principal, action, resource) when { context.encryptionContext.hasTag("__proto__") };';
    const encryptionContext = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    assert.equal(
      allows(policy, (resource) => question({ resource, context: { encryptionContext } })),
      false,
    );
    assert.ok(allows(policy, (resource) => question({ resource, context: { encryptionContext: {} } })));
  });

  test('by the source address, also where a dual-stack socket shows it', () => {
    const policy = `forbid (principal, action, resource)
      unless { context has sourceAddress && context.sourceAddress.isInRange(ip("10.0.0.0/8")) };`;
    const from = (sourceAddress: string | null): boolean =>
      allows(policy, (resource) => question({ resource, context: { sourceAddress } }));
    assert.ok(from('10.0.0.1'));
    assert.ok(from('::ffff:10.255.0.1'));
    for (const address of ['11.0.0.1', '::ffff:11.0.0.1', '::1', 'fe80::1%eth0', 'no address', '', null]) {
      assert.equal(from(address), false, String(address));
    }
  });

  test('with an address that is none refuses, although the policy would let it pass', () => {
    const policy =
      'forbid (principal, action, resource) when { context has sourceAddress && context.sourceAddress.isIpv6() };';
    const request = question({ resource: ofKey({ policy }), context: { sourceAddress: 'nonsense' } });
    assert.equal(engine.decide(request).allowed, false);
    assert.match(engine.explain(request).reasons.join(), /cannot be evaluated.*ip/);
  });

  test('by the gateway', () => {
    const policy = 'forbid (principal, action, resource) when { context.gateway == "aws" };';
    assert.ok(allows(policy, (resource) => question({ resource })));
    assert.equal(
      allows(policy, (resource) => question({ resource, context: { gateway: 'aws' } })),
      false,
    );
  });

  test("by the key's own state and tags", () => {
    const policy = `forbid (principal, action in Claviger::Action::"Use", resource is Claviger::Key)
      when { resource.hasTag("env") && resource.getTag("env") == "prod" && resource.state == "Active" };`;
    assert.ok(allows(policy, (resource) => question({ resource })));
    assert.equal(engine.decide(question({ resource: ofKey({ policy, tags: { env: 'prod' } }) })).allowed, false);
  });

  test('and with several policies names each that forbids', () => {
    const policy = `// first
      forbid (principal, action, resource) when { context.gateway == "rest" };
      forbid (principal, action, resource) when { context.gateway == "aws" };
      @id("third") forbid (principal, action, resource); // last`;
    assert.deepEqual(engine.decide(question({ resource: ofKey({ policy }) })).policies, [
      'key-policy/1',
      'key-policy/third',
    ]);
  });

  test('and never widens: what no role gives, stays forbidden', () => {
    const policy = 'forbid (principal, action, resource) when { principal.name == "nobody" };';
    const auditor = principal(['auditor']);
    assert.equal(
      allows(policy, (resource) => question({ resource, principal: auditor })),
      false,
    );
  });
});

describe('the policy of a key does not reach', () => {
  const SHUT = 'forbid (principal, action, resource);';

  test('SetKeyPolicy and ExplainPolicy, so that who shut everybody out can open again', () => {
    const officer = principal(['security-officer']);
    assert.ok(allows(SHUT, (resource) => question({ resource, principal: officer, action: 'SetKeyPolicy' })));
    assert.ok(allows(SHUT, (resource) => question({ resource, principal: officer, action: 'ExplainPolicy' })));
    assert.equal(
      allows(SHUT, (resource) => question({ resource, principal: officer, action: 'GetKeyPolicy' })),
      false,
    );
  });

  test('jobs, so that a key is destroyed on its date', () => {
    const job = principal([], { via: 'job' });
    for (const action of ['DestroyKey', 'ExpireKeyMaterial', 'RotateDueKey'] as const) {
      assert.ok(allows(SHUT, (resource) => question({ resource, principal: job, action })));
    }
  });

  test('what it must not name, either', () => {
    for (const action of ['SetKeyPolicy', 'DestroyKey', 'Govern', 'Job']) {
      const name = `Claviger::Action::"${action}"`;
      const beyond = new RegExp(`does not reach \`${action}\``);
      refuses(`forbid (principal, action in ${name}, resource);`, beyond);
      refuses(`forbid (principal, action in [Claviger::Action::"Use", ${name}], resource);`, beyond);
      refuses(`forbid (principal, action, resource) when { action in ${name} };`, beyond);
    }
  });
});

describe('the policy of a key is refused', () => {
  test('with a permit, alone or among forbids', () => {
    refuses('permit (principal, action, resource);', /can only `forbid`/);
    refuses(
      'forbid (principal, action, resource);\npermit (principal, action, resource);',
      /^line 2: .*can only `forbid`/,
    );
  });

  test('where it is not Cedar, in the words of Cedar and with its line', () => {
    refuses('nonsense', /^line 1: unexpected end of input/);
    refuses('{"Version":"2012-10-17"}', /^line 1: unexpected token `{`/);
    refuses('forbid (principal, action, resource)', /^line 1: unexpected end of input; expected `;`/);
    refuses('\n// é\nforbid (principal,\n  action == "é" nonsense, resource);', /^line 4: unexpected token `nonsense`/);
    refuses('forbid (principal, action, resource) when { "unterminated };', /^line 1: /);
    refuses('forbid (principal, action, resource) when { nonsense };', /^line 1: invalid variable: nonsense/);
    refuses(';', /^line 1: unexpected token `;`/);
  });

  test('where it names what the schema does not know', () => {
    refuses(
      'forbid (principal, action == Claviger::Action::"Decryptt", resource);',
      /unrecognized action.*did you mean.*Decrypt/,
    );
    refuses('forbid (principal, action == Action::"Decrypt", resource);', /Action::"Decrypt"/);
    // A batch is decided as what it does many times; a policy that names it would never apply.
    refuses('forbid (principal, action == Claviger::Action::"DecryptBatch", resource);', /unrecognized action/);
    refuses('forbid (principal in Claviger::Role::"admin", action, resource);', /`"admin"` is not declared/);
    refuses('forbid (principal, action, resource) when { principal.email == "x" };', /attribute `email`.*not found/);
    refuses('forbid (principal, action, resource) when { context.gateway == 1 };', /types/);
  });

  test('where Cedar would have to fail at run time', () => {
    refuses(
      'forbid (principal, action, resource) when { context.sourceAddress.isLoopback() };',
      /context has sourceAddress/,
    );
    refuses('forbid (principal, action, resource) when { context.encryptionContext.getTag("a") == "b" };', /hasTag/);
  });

  test('where it can never apply, or looks like something else', () => {
    refuses(
      'forbid (principal, action == Claviger::Action::"CreateKey", resource is Claviger::Key);',
      /applicable action/,
    );
    refuses('forbid (principal, action, resource) when { principal.name == "p\u0430ypal" };', /mixed scripts/);
    refuses('forbid (principal, action, resource) when { principal.name == "a\u202eb" };', /BIDI/);
  });

  test('with a template', () => {
    refuses('forbid (principal == ?principal, action, resource);', /got a template/);
  });

  test('empty, or of comments alone', () => {
    for (const text of ['', ' \n', '// nothing']) refuses(text, /holds no policy/);
  });

  test('with two policies of one id, or an id that is none', () => {
    const twice = '@id("a") forbid (principal, action, resource);\n';
    refuses(twice + twice, /^line 2: another policy is called `key-policy\/a`/);
    refuses('@id("2") forbid (principal, action, resource); forbid (principal, action, resource);', /key-policy\/2/);
    for (const id of ['a b', '', 'é', 'x'.repeat(128)]) {
      refuses(`@id("${id}") forbid (principal, action, resource);`, /`@id` must be at most 128/);
    }
  });

  test('over its limits of bytes, statements, depth and length', () => {
    const one = 'forbid (principal, action, resource);';
    parseKeyPolicy(one + ' '.repeat(KEY_POLICY_BYTES_MAX - one.length));
    refuses(one + ' '.repeat(KEY_POLICY_BYTES_MAX - one.length + 1), /at most 32768 bytes/);
    refuses(`${one}//${'é'.repeat(KEY_POLICY_BYTES_MAX / 2)}`, /at most 32768 bytes/);
    parseKeyPolicy(one.repeat(100));
    refuses(one.repeat(101), /at most 100 statements/);
    const nested = (depth: number): string =>
      `forbid (principal, action, resource) when {${'('.repeat(depth)}true${')'.repeat(depth)}};`;
    parseKeyPolicy(nested(20));
    refuses(`\n${nested(30)}`, /^line 2: brackets stand more than 24 deep/);
    const long = (count: number): string =>
      `forbid (principal, action, resource) when {true${'&& true'.repeat(count)}};`;
    parseKeyPolicy(long(90));
    refuses(long(101), /^line 1: operators stand more than 100 deep/);
    refuses(long(600), /more than 1000 words and signs/);
    const names = (count: number): string =>
      `forbid (principal, action, resource) unless { [${Array(count).fill('"a"').join()}].contains(principal.name) };`;
    parseKeyPolicy(names(450));
    const conditions = (count: number): string =>
      `forbid (principal, action, resource)${' when { true }'.repeat(count)};`;
    parseKeyPolicy(conditions(90));
    refuses(conditions(101), /operators stand more than 100 deep/);
  });
});

test('brackets and semicolons in strings and comments are text', () => {
  const policy = `forbid (principal, action, resource) // ; ((((((((((((((((((((((((((((((((((((((
    when { principal.name == "\\"; ((((((((((((((((((((((((((((((((((((((" };`;
  assert.equal(parseKeyPolicy(policy).policies.size, 1);
});

/** Shapes that broke Cedar's WebAssembly for the whole process, at more than a few hundred. */
const SHAPES: Readonly<Record<string, (count: number) => string>> = {
  brackets: (count) => '('.repeat(count) + 'true' + ')'.repeat(count),
  negations: (count) => '!('.repeat(count) + 'true' + ')'.repeat(count),
  sets: (count) => `${'['.repeat(count)}${']'.repeat(count)}.isEmpty()`,
  records: (count) => `${'{a:'.repeat(count)}true${'}'.repeat(count)}${'.a'.repeat(count)}`,
  conditions: (count) => 'if true then '.repeat(count) + 'true' + ' else true'.repeat(count),
  conjunctions: (count) => 'true' + '&&true'.repeat(count),
  sums: (count) => `1${'+1'.repeat(count)} == 1`,
  members: (count) => `context${'.a'.repeat(count)}`,
  indices: (count) => `context${'["a"]'.repeat(count)}`,
};

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`no number of ${name} breaks Cedar for the next decision`, () => {
    for (const count of [20, 100, 150, 190, 240, 300, 490, 1000, 5000]) {
      const text = `forbid (principal, action, resource) when { ${shape(count)} };`;
      try {
        parseKeyPolicy(text);
      } catch (thrown) {
        assert.ok(thrown instanceof ClavigerError);
        assert.doesNotMatch(thrown.message, /too much for Cedar/);
      }
      engine.decide(question({ resource: ofKey({ policy: text }) }));
      assert.ok(engine.decide(question({ principal: principal(['crypto-user']) })).allowed);
    }
  });
}

test('whatever text comes, it is parsed or refused, and Cedar lives', () => {
  const words = fc.constantFrom(
    ...'forbid permit ( ) { } [ ] ; , " \\ // @id && == principal action resource context when unless has in is'.split(
      ' ',
    ),
    ...'if then else true ?principal . :: Claviger "a" 1 - ! like é \n \u202e \ud800'.split(' '),
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 60 }).map((list) => list.join(' ')),
    fc
      .array(words, { maxLength: 12 })
      .map((list) => `forbid (principal, action, resource) when { ${list.join(' ')} };`),
  );
  fc.assert(
    fc.property(text, (policy) => {
      try {
        parseKeyPolicy(policy);
      } catch (thrown) {
        assert.ok(thrown instanceof ClavigerError, String(thrown));
        assert.equal(thrown.reason, 'MalformedPolicyDocument');
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(engine.decide(question({ principal: principal(['crypto-user']) })).allowed);
});

describe('a stored policy that cannot be read', () => {
  const broken = key({ policy: 'permit (principal, action, resource);' });

  test('denies what it reaches, and explain says so', () => {
    const request = question({ resource: { kind: 'key', key: broken } });
    assert.deepEqual(engine.decide(request), { allowed: false, policies: [] });
    assert.deepEqual(engine.decide(request), { allowed: false, policies: [] });
    assert.match(
      engine.explain(request).reasons.join(),
      /the policy of the key cannot be read: line 1: .*only `forbid`/,
    );
  });

  test('can be replaced', () => {
    const officer = principal(['security-officer']);
    const request = question({ principal: officer, action: 'SetKeyPolicy', resource: { kind: 'key', key: broken } });
    assert.ok(engine.decide(request).allowed);
  });
});
