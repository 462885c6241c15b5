import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ADOPT_NATIVE_KEY,
  GOVERN_OPERATIONS,
  JOB_OPERATIONS,
  MANAGE_OPERATIONS,
  READ_OPERATIONS,
  USE_COMPROMISED,
  USE_OPERATIONS,
  type PolicyAction,
} from '../../../src/model/operation.ts';
import { ROLES, type Role } from '../../../src/model/principal.ts';
import { PolicyEngine, type PolicyResource } from '../../../src/policy/engine.ts';
import { OTHER_TENANT, ofKey, ofTenant, principal, question, withFolder } from './world.ts';

type Kind = PolicyResource['kind'];

/** Columns: what the operation is asked of, and the policy by which each role has it; '' where it has not. */
interface Row {
  readonly of: readonly Kind[];
  readonly 'security-officer': string;
  readonly 'key-administrator': string;
  readonly 'crypto-user': string;
  readonly auditor: string;
  readonly approver: string;
}

function row(of: string, officer: string, administrator: string, user: string, auditor: string, approver: string): Row {
  const id = (role: Role, right: string): string => (right === '' ? '' : `${role}/${right}`);
  return {
    of: of.split(' ') as Kind[],
    'security-officer': id('security-officer', officer),
    'key-administrator': id('key-administrator', administrator),
    'crypto-user': id('crypto-user', user),
    auditor: id('auditor', auditor),
    approver: id('approver', approver),
  };
}

// prettier-ignore
const EXPECTED: Readonly<Record<PolicyAction, Row>> = {
  //                                       officer   admin     user    auditor  approver
  Encrypt:                   row('key',    '',       '',       'use',  '',      ''),
  Decrypt:                   row('key',    '',       '',       'use',  '',      ''),
  ReEncrypt:                 row('key',    '',       '',       'use',  '',      ''),
  GenerateDataKey:           row('key',    '',       '',       'use',  '',      ''),
  GenerateDataKeyPair:       row('key',    '',       '',       'use',  '',      ''),
  Sign:                      row('key',    '',       '',       'use',  '',      ''),
  Verify:                    row('key',    '',       '',       'use',  '',      ''),
  GenerateMac:               row('key',    '',       '',       'use',  '',      ''),
  VerifyMac:                 row('key',    '',       '',       'use',  '',      ''),
  DeriveSharedSecret:        row('key',    '',       '',       'use',  '',      ''),
  Encapsulate:               row('key',    '',       '',       'use',  '',      ''),
  Decapsulate:               row('key',    '',       '',       'use',  '',      ''),
  Rewrap:                    row('key',    '',       '',       'use',  '',      ''),
  GenerateRandom:            row('tenant', '',       '',       'use',  '',      ''),

  CreateKey:                 row('tenant', '',       'manage', '',     '',      ''),
  UpdateKey:                 row('key',    '',       'manage', '',     '',      ''),
  ActivateKey:               row('key',    '',       'manage', '',     '',      ''),
  EnableKey:                 row('key',    '',       'manage', '',     '',      ''),
  DisableKey:                row('key',    '',       'manage', '',     '',      ''),
  DeactivateKey:             row('key',    '',       'manage', '',     '',      ''),
  CompromiseKey:             row('key',    '',       'manage', '',     '',      ''),
  ScheduleKeyDeletion:       row('key',    '',       'manage', '',     '',      ''),
  CancelKeyDeletion:         row('key',    '',       'manage', '',     '',      ''),
  RotateKey:                 row('key',    '',       'manage', '',     '',      ''),
  SetKeyRotation:            row('key',    '',       'manage', '',     '',      ''),
  CreateAlias:               row('key',    '',       'manage', '',     '',      ''),
  UpdateAlias:               row('key',    '',       'manage', '',     '',      ''),
  DeleteAlias:               row('key',    '',       'manage', '',     '',      ''),
  TagKey:                    row('key',    '',       'manage', '',     '',      ''),
  UntagKey:                  row('key',    '',       'manage', '',     '',      ''),
  ConfirmKeyPolicy:          row('key',    '',       'manage', '',     '',      ''),
  GetParametersForImport:    row('key',    '',       'manage', '',     '',      ''),
  ImportKeyMaterial:         row('key',    '',       'manage', '',     '',      ''),
  DeleteImportedKeyMaterial: row('key',    '',       'manage', '',     '',      ''),

  AddKeyBacking:             row('key',    '',       'manage', '',     '',      ''),
  RemoveKeyBacking:          row('key',    '',       'manage', '',     '',      ''),
  RepairKeyBackings:         row('key',    '',       'manage', '',     '',      ''),

  DescribeKey:               row('key',    'read',   'read',   'read', 'read',  'read'),
  ListKeys:                  row('tenant', 'read',   'read',   'read', 'read',  'read'),
  ListAliases:               row('key tenant', 'read', 'read', 'read', 'read',  'read'),
  ListKeyTags:               row('key',    'read',   'read',   'read', 'read',  'read'),
  GetPublicKey:              row('key',    'read',   'read',   'read', 'read',  'read'),
  GetKeyRotation:            row('key',    'read',   'read',   'read', 'read',  'read'),
  ListKeyRotations:          row('key',    'read',   'read',   'read', 'read',  'read'),
  GetKeyPolicy:              row('key',    'read',   'read',   '',     'read',  'read'),

  SetKeyPolicy:              row('key',    'govern', '',       '',     '',      ''),
  CreateToken:               row('tenant', 'govern', '',       '',     '',      ''),
  ListTokens:                row('tenant', 'govern', '',       '',     'audit', ''),
  RevokeToken:               row('tenant', 'govern', '',       '',     '',      ''),
  CreateTenant:              row('tenant', '',       '',       '',     '',      ''),
  ListTenants:               row('tenant', '',       '',       '',     '',      ''),
  ListAuditRecords:          row('tenant', '',       '',       '',     'audit', ''),
  ListAlerts:                row('tenant', 'govern', '',       '',     'audit', ''),
  TestAlerts:                row('tenant', '',       '',       '',     '',      ''),
  ReadAuditTree:             row('tenant', '',       '',       '',     'audit', ''),
  GetAuditReceipt:           row('tenant', '',       '',       '',     'audit', ''),
  ExportAuditEntries:        row('tenant', '',       '',       '',     '',      ''),
  RedactAuditRecords:        row('tenant', '',       '',       '',     '',      ''),
  ExplainPolicy:             row('key tenant', 'govern', '',   '',     'audit', ''),
  GetHealth:                 row('tenant', 'govern', '',       '',     'audit', ''),
  GetMetrics:                row('tenant', 'govern', '',       '',     'audit', ''),
  ClearProvider:             row('tenant', '',       '',       '',     '',      ''),

  ConfigureAuditSinks:       row('tenant', '',       '',       '',     '',      ''),
  DestroyKey:                row('key',    '',       '',       '',     '',      ''),
  ExpireKeyMaterial:         row('key',    '',       '',       '',     '',      ''),
  RotateDueKey:              row('key',    '',       '',       '',     '',      ''),

  NoteHomeRefusal:           row('key',    '',       '',       '',     '',      ''),

  AdoptNativeKey:            row('tenant', '',       'adopt',  '',     '',      ''),
  UseCompromisedKey:         row('key',    '',       '',       '',     '',      ''),
};

const ACTIONS = Object.keys(EXPECTED) as PolicyAction[];
const RESOURCES: Readonly<Record<Kind, PolicyResource>> = { key: ofKey(), tenant: ofTenant() };
const engine = PolicyEngine.load();

test('the table has every operation, and the rights that are none', () => {
  const all = [USE_OPERATIONS, MANAGE_OPERATIONS, READ_OPERATIONS, GOVERN_OPERATIONS, JOB_OPERATIONS].flat();
  assert.deepEqual(ACTIONS.toSorted(), [...all, ADOPT_NATIVE_KEY, USE_COMPROMISED].toSorted());
});

for (const role of ROLES) {
  describe(`the role ${role}`, () => {
    const holder = principal([role]);
    for (const action of ACTIONS) {
      const permit = EXPECTED[action][role];
      test(permit === '' ? `gives no ${action}` : `gives ${action} by ${permit}`, () => {
        for (const kind of EXPECTED[action].of) {
          const decision = engine.decide(question({ principal: holder, action, resource: RESOURCES[kind] }));
          assert.deepEqual(decision, { allowed: permit !== '', policies: permit === '' ? [] : [permit] });
        }
      });
    }
  });
}

test('no role has an operation on a kind of resource that it is not asked of', () => {
  const holder = principal(ROLES, { systemScope: true, via: 'job' });
  for (const action of ACTIONS) {
    for (const kind of ['key', 'tenant'] as const) {
      if (EXPECTED[action].of.includes(kind)) continue;
      const request = question({ principal: holder, action, resource: RESOURCES[kind] });
      assert.equal(engine.decide(request).allowed, false, `${action} of ${kind}`);
      assert.match(engine.explain(request).reasons.join(), /is not valid for/);
    }
  }
});

test('who holds several roles has the rights of each, and both are named', () => {
  const both = principal(['key-administrator', 'crypto-user']);
  assert.deepEqual(engine.decide(question({ principal: both, action: 'DescribeKey' })).policies, [
    'crypto-user/read',
    'key-administrator/read',
  ]);
  assert.ok(engine.decide(question({ principal: both, action: 'Encrypt' })).allowed);
  assert.ok(engine.decide(question({ principal: both, action: 'RotateKey' })).allowed);
});

test('who holds no role may do nothing', () => {
  for (const action of ACTIONS) {
    for (const kind of EXPECTED[action].of) {
      const decision = engine.decide(question({ principal: principal([]), action, resource: RESOURCES[kind] }));
      assert.deepEqual(decision, { allowed: false, policies: [] }, action);
    }
  }
});

test('a job does what belongs to jobs, and nothing else', () => {
  const job = principal([], { via: 'job' });
  for (const action of ACTIONS) {
    const isJob = (JOB_OPERATIONS as readonly string[]).includes(action);
    for (const kind of EXPECTED[action].of) {
      const decision = engine.decide(question({ principal: job, action, resource: RESOURCES[kind] }));
      assert.deepEqual(decision, { allowed: isJob, policies: isJob ? ['service/job'] : [] }, action);
    }
  }
});

test('what belongs to jobs is for no role, however it proved itself', () => {
  for (const via of ['token', 'sigv4', 'library'] as const) {
    const holder = principal(ROLES, { systemScope: true, via });
    for (const action of JOB_OPERATIONS) {
      assert.equal(engine.decide(question({ principal: holder, action })).allowed, false);
    }
  }
});

test('tenants are made and listed by a security officer with system scope only', () => {
  for (const action of ['CreateTenant', 'ListTenants'] as const) {
    for (const role of ROLES) {
      for (const systemScope of [false, true]) {
        const request = question({ principal: principal([role], { systemScope }), action, resource: ofTenant() });
        const allowed = systemScope && role === 'security-officer';
        assert.deepEqual(engine.decide(request), { allowed, policies: allowed ? ['service/tenants'] : [] });
      }
    }
  }
});

test('the records of all tenants are for an auditor with system scope, redaction and alert channels for such an officer', () => {
  for (const [action, wanted, policy] of [
    ['ExportAuditEntries', 'auditor', 'service/audit-entries'],
    ['RedactAuditRecords', 'security-officer', 'service/audit-redaction'],
    ['TestAlerts', 'security-officer', 'service/alerts'],
  ] as const) {
    for (const role of ROLES) {
      for (const systemScope of [false, true]) {
        const request = question({ principal: principal([role], { systemScope }), action, resource: ofTenant() });
        const allowed = systemScope && role === wanted;
        assert.deepEqual(engine.decide(request), { allowed, policies: allowed ? [policy] : [] });
      }
    }
  }
});

/** What the system scope reaches in other tenants. */
const BEYOND_OWN: ReadonlySet<PolicyAction> = new Set(['CreateTenant', 'ListTenants', 'CreateToken', 'RevokeToken']);

describe('tenant isolation', () => {
  for (const action of ACTIONS) {
    test(`forbids ${action} in another tenant, whatever roles are held`, () => {
      for (const kind of EXPECTED[action].of) {
        const resource = kind === 'key' ? ofKey({ tenantId: OTHER_TENANT }) : ofTenant(OTHER_TENANT);
        for (const via of ['token', 'sigv4', 'library', 'job'] as const) {
          const request = question({ principal: principal(ROLES, { via }), action, resource });
          assert.deepEqual(engine.decide(request), { allowed: false, policies: ['tenant-isolation'] });
        }
      }
    });
  }

  test('lets a security officer with system scope manage tenants and give or revoke tokens, and nothing else, beyond its own', () => {
    const officer = principal(ROLES, { systemScope: true });
    for (const action of ACTIONS) {
      for (const kind of EXPECTED[action].of) {
        const resource = kind === 'key' ? ofKey({ tenantId: OTHER_TENANT }) : ofTenant(OTHER_TENANT);
        const { allowed } = engine.decide(question({ principal: officer, action, resource }));
        assert.equal(allowed, BEYOND_OWN.has(action), action);
      }
    }
  });

  test('holds against a permit of the operator', () => {
    const open = withFolder({ 'all.cedar': 'permit (principal, action, resource);' }, (folder) =>
      PolicyEngine.load({ folder }),
    );
    const request = question({ resource: ofKey({ tenantId: OTHER_TENANT }) });
    assert.deepEqual(open.decide(request), { allowed: false, policies: ['tenant-isolation'] });
  });
});
