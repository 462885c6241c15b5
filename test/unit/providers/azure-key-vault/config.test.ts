import assert from 'node:assert/strict';
import { test } from 'node:test';
import { azureKeyVaultSchema } from '../../../../src/providers/azure-key-vault/index.ts';

const SECRET = {
  kind: 'client-secret',
  tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  clientId: 'id',
  clientSecret: 's',
};
const SMALL = { kind: 'azure-key-vault', name: 'azure', vaultUrl: 'https://team.vault.azure.net', credential: SECRET };

function problems(config: object): readonly string[] {
  const { error } = azureKeyVaultSchema.safeParse(config);
  return (error?.issues ?? []).map(({ path }) => path.join('.'));
}

test('an address and a credential are enough', () => {
  const config = azureKeyVaultSchema.parse(SMALL);
  assert.equal(config.apiVersion, '7.6');
  assert.equal(config.managedHsm, false);
  assert.equal(config.disableChallengeResourceVerification, false);
  assert.equal(config.purge, false);
});

test('an address with a slash at its end is the same address', () => {
  assert.equal(
    azureKeyVaultSchema.parse({ ...SMALL, vaultUrl: 'https://team.vault.azure.net/' }).vaultUrl,
    SMALL.vaultUrl,
  );
});

test('every kind of credential has its own fields, and no others', () => {
  const { tenantId, clientId } = SECRET;
  for (const credential of [
    { kind: 'managed-identity' },
    { kind: 'managed-identity', clientId },
    { kind: 'workload-identity', tenantId, clientId, tokenFile: './token' },
    { kind: 'azure-cli' },
    { kind: 'azure-cli', tenantId },
    { ...SECRET, authorityHost: 'https://login.example.com' },
  ])
    assert.deepEqual(problems({ ...SMALL, credential }), [], JSON.stringify(credential));
  assert.deepEqual(problems({ ...SMALL, credential: { kind: 'managed-identity', clientSecret: 's' } }), ['credential']);
  assert.deepEqual(problems({ ...SMALL, credential: { kind: 'default' } }), ['credential.kind']);
});

test('a mistake is named by its path', () => {
  for (const vaultUrl of ['http://team.vault.azure.net', 'team', 'https://u:p@team.vault.azure.net', 'https://h/path'])
    assert.deepEqual(problems({ ...SMALL, vaultUrl }), ['vaultUrl'], vaultUrl);
  assert.deepEqual(problems({ ...SMALL, credential: { ...SECRET, authorityHost: 'http://h' } }), [
    'credential.authorityHost',
  ]);
  assert.deepEqual(problems({ ...SMALL, credential: { ...SECRET, tenantId: 'a/b' } }), ['credential.tenantId']);
  assert.deepEqual(problems({ ...SMALL, rotateEveryDays: 1 }), ['rotateEveryDays']);
  assert.deepEqual(problems({ ...SMALL, wrapKeyBits: 1024 }), ['wrapKeyBits']);
  assert.deepEqual(problems({ ...SMALL, retries: 3 }), ['']);
});
