import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type TestServer } from '../support/server.ts';

const bytes = Buffer.from('hello');
let server: TestServer;
let aes = '';

before(async () => {
  server = await startTestServer();
  aes = (await server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' })).id;
});
after(() => server.stop());

describe('a key policy narrows what roles permit', () => {
  const narrow = (policy: string | null): Promise<unknown> => server.client.setKeyPolicy({ key: aes, policy });
  after(() => narrow(null));

  test('by the encryption context, for one call and for a batch alike', async () => {
    await narrow(
      `@id("only-rome") forbid (principal, action in [Claviger::Action::"Encrypt", Claviger::Action::"Decrypt"], resource)
       unless { context.encryptionContext.hasTag("to") && context.encryptionContext.getTag("to") == "rome" };`,
    );
    const client = await server.clientWith('crypto-user');
    await client.encrypt({ key: aes, plaintext: bytes, context: { to: 'rome' } });
    await assert.rejects(client.encrypt({ key: aes, plaintext: bytes }), { code: 'PERMISSION_DENIED' });
    const { results } = await client.encryptBatch({
      key: aes,
      items: [
        { plaintext: bytes, context: { to: 'rome' } },
        { plaintext: bytes, context: { to: 'gaul' } },
      ],
    });
    assert.deepEqual(
      results.map((result) => ('error' in result ? result.error.code : 'OK')),
      ['OK', 'PERMISSION_DENIED'],
    );
    const auditor = await server.clientWith('auditor');
    const { records } = await auditor.listAuditRecords({ outcome: 'PERMISSION_DENIED', key: aes, limit: 1 });
    assert.deepEqual(records[0]!.policies, ['key-policy/only-rome']);
  });

  test('at once, and is taken away at once', async () => {
    const client = await server.clientWith('crypto-user');
    await narrow('forbid (principal, action == Claviger::Action::"Encrypt", resource);');
    await assert.rejects(client.encrypt({ key: aes, plaintext: bytes }), { code: 'PERMISSION_DENIED' });
    await narrow(null);
    await client.encrypt({ key: aes, plaintext: bytes });
  });

  test('and never permits: a policy that would is refused', async () => {
    await assert.rejects(narrow('permit (principal, action, resource);'), { reason: 'MalformedPolicyDocument' });
    await assert.rejects(narrow('nonsense'), { reason: 'MalformedPolicyDocument' });
  });
});
