import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { capabilitiesOf } from '../../../../src/providers/gcp-kms/algorithms.ts';
import { endpointOf } from '../../../../src/providers/gcp-kms/client.ts';
import { type GcpKmsConfig, gcpKmsSchema } from '../../../../src/providers/gcp-kms/index.ts';

const BASE = {
  kind: 'gcp-kms',
  name: 'gcp',
  keyRing: 'projects/p/locations/global/keyRings/r',
  apiEndpoint: '127.0.0.1:9010',
  insecure: true,
} as const;

function parse(more: object = {}): GcpKmsConfig {
  return gcpKmsSchema.parse({ ...BASE, ...more });
}

/** Paths and words of what is wrong. */
function faults(config: object): readonly string[] {
  const { error } = gcpKmsSchema.safeParse(config);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('the configuration', () => {
  test('of an emulator is a key ring and an address', () => {
    const config = parse();
    assert.deepEqual(
      [config.protectionLevel, config.symmetricKeys, config.rsaSigning, config.rsaEncryption, config.destroyAfterDays],
      ['software', 'google', 'pss-sha256', 'oaep-sha256', 30],
    );
  });

  test('says who we are in exactly one way', () => {
    const { insecure: _, ...base } = BASE;
    const wanted = 'credentials: give one of credentialsFile, credentials, `ambient: true`, `insecure: true`';
    assert.deepEqual(faults(base), [wanted]);
    assert.deepEqual(faults({ ...base, ambient: true, credentialsFile: 'a.json' }), [wanted]);
    assert.deepEqual(faults({ ...base, ambient: true }), []);
    assert.deepEqual(faults({ ...base, credentials: '{}' }), []);
  });

  test('shows no plain text to Google, and has no authority for plain text', () => {
    const { apiEndpoint: _, ...base } = BASE;
    assert.deepEqual(faults(base), ['apiEndpoint: must be given with `insecure: true`']);
    assert.deepEqual(faults({ ...BASE, caFile: 'ca.pem' }), ['caFile: says nothing with `insecure: true`']);
  });

  test('refuses a URL for an address, the number of a project, and fields that it does not have', () => {
    assert.match(faults({ ...BASE, apiEndpoint: 'https://kms.example.com' })[0]!, /^apiEndpoint: /);
    assert.match(
      faults({ ...BASE, keyRing: 'projects/123/locations/global/keyRings/r' })[0]!,
      /^keyRing: .*not its number/,
    );
    assert.equal(faults({ ...BASE, region: 'x' }).length, 1);
    assert.match(faults({ ...BASE, protectionLevel: 'external', symmetricKeys: 'raw' })[0]!, /^symmetricKeys: /);
  });

  test('an address is host and port apart, as the library wants them', () => {
    const of = (apiEndpoint?: string): unknown => endpointOf({ apiEndpoint, universeDomain: 'googleapis.com' });
    assert.deepEqual(of('127.0.0.1:9010'), { servicePath: '127.0.0.1', port: 9010 });
    assert.deepEqual(of('kms.internal'), { servicePath: 'kms.internal', port: 443 });
    assert.deepEqual(of('[::1]:9010'), { servicePath: '[::1]', port: 9010 });
    assert.deepEqual(of('[::1]'), { servicePath: '[::1]', port: 443 });
    assert.deepEqual(of(), { servicePath: 'cloudkms.googleapis.com', port: 443 });
  });
});

describe('capabilities', () => {
  const signing = (config: object, spec: string): readonly unknown[] =>
    capabilitiesOf(parse(config))
      .filter((row) => row.operation === 'sign' && row.spec === spec)
      .map(({ algorithm, input }) => `${algorithm} ${input}`);
  const creating = (config: object, spec: string): boolean =>
    capabilitiesOf(parse(config)).some((row) => row.operation === 'create' && row.spec === spec);

  test('RSA signs in the one way that is configured', () => {
    assert.deepEqual(signing({}, 'RSA-4096'), ['RSASSA_PSS_SHA_256 message', 'RSASSA_PSS_SHA_256 digest']);
    const sha512 = { rsaSigning: 'pkcs1-sha512' };
    assert.deepEqual(signing(sha512, 'RSA-4096'), [
      'RSASSA_PKCS1_V1_5_SHA_512 message',
      'RSASSA_PKCS1_V1_5_SHA_512 digest',
    ]);
    assert.deepEqual(signing(sha512, 'RSA-2048'), []);
  });

  test('a protection level makes what it has, and uses what is there', () => {
    assert.deepEqual([creating({}, 'secp256k1'), signing({}, 'secp256k1').length], [false, 2]);
    assert.equal(creating({ protectionLevel: 'hsm' }, 'secp256k1'), true);
    assert.equal(creating({ protectionLevel: 'hsm' }, 'Ed25519'), false);
    assert.equal(creating({ protectionLevel: 'external' }, 'P-256'), false);
    assert.deepEqual(signing({ protectionLevel: 'external' }, 'P-256'), ['ECDSA_SHA_256 message']);
  });

  test('an external provider signs and encrypts with symmetric keys, and nothing else', () => {
    const operations = new Set(
      capabilitiesOf(parse({ protectionLevel: 'external' })).map(({ operation }) => operation),
    );
    assert.deepEqual([...operations].toSorted(), ['decrypt', 'destroy', 'encrypt', 'sign', 'wrap']);
  });
});
