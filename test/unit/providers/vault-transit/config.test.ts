import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { vaultTransitSchema } from '../../../../src/providers/vault-transit/config.ts';

const BASE = {
  name: 'vault-main',
  kind: 'vault-transit',
  address: 'https://vault.example.com:8200',
  auth: { kind: 'token', token: 'hvs.x' },
};

/** Paths of the fields that are refused. */
function mistakes(config: object): readonly string[] {
  const { error } = vaultTransitSchema.safeParse(config);
  return error?.issues.map(({ path }) => path.join('.')) ?? [];
}

suite('the configuration of vault-transit', () => {
  test('fills in what is usual', () => {
    const config = vaultTransitSchema.parse(BASE);
    assert.equal(config.mount, 'transit');
    assert.equal(config.allowHttp, false);
    const approle = vaultTransitSchema.parse({ ...BASE, auth: { kind: 'approle', roleId: 'r', secretId: 's' } });
    assert.deepEqual(approle.auth, { kind: 'approle', roleId: 'r', secretId: 's', mount: 'approle' });
    const kubernetes = vaultTransitSchema.parse({ ...BASE, auth: { kind: 'kubernetes', role: 'r' } });
    assert.deepEqual(kubernetes.auth, {
      kind: 'kubernetes',
      role: 'r',
      jwtFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
      mount: 'kubernetes',
    });
  });

  test('takes plain HTTP on loopback, and elsewhere only where it is allowed', () => {
    for (const address of ['http://127.0.0.1:8200', 'http://127.1.2.3', 'http://localhost:8200', 'http://[::1]:8200']) {
      assert.deepEqual(mistakes({ ...BASE, address }), [], address);
    }
    for (const address of [
      'http://vault.example.com',
      'http://127.0.0.1.example.com',
      'http://localhost.example.com',
    ]) {
      assert.deepEqual(mistakes({ ...BASE, address }), ['address'], address);
      assert.deepEqual(mistakes({ ...BASE, address, allowHttp: true }), [], address);
    }
  });

  test('refuses addresses and paths that could lead elsewhere', () => {
    for (const address of [
      'vault.example.com',
      'ftp://vault.example.com',
      'https://user@vault.example.com',
      'https://vault.example.com?a=b',
      'https://vault.example.com#a',
    ]) {
      assert.ok(mistakes({ ...BASE, address }).includes('address'), address);
    }
    for (const path of ['', '/transit', 'transit/', 'a//b', '..', '../sys', 'a/..', 'a/./b', 'a b', 'a%2fb', 'a?b']) {
      assert.deepEqual(mistakes({ ...BASE, mount: path }), ['mount'], path);
      assert.deepEqual(mistakes({ ...BASE, namespace: path }), ['namespace'], path);
    }
    for (const path of ['transit', 'team/kms-1', 'a.b/_c', '...', '.well-known']) {
      assert.deepEqual(mistakes({ ...BASE, mount: path, namespace: path }), [], path);
    }
  });

  test('refuses fields that it does not know, of a login too', () => {
    assert.notDeepEqual(mistakes({ ...BASE, token: 'x' }), []);
    assert.notDeepEqual(mistakes({ ...BASE, auth: { ...BASE.auth, roleId: 'x' } }), []);
    assert.notDeepEqual(mistakes({ ...BASE, auth: { kind: 'userpass' } }), []);
  });
});
