/** Tables of the PKCS#11 adapter: errors, abilities, keys as tokens describe them, configuration. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { Abilities } from '../../../../src/providers/pkcs11/algorithms.ts';
import { Canary, fingerprintOf } from '../../../../src/providers/pkcs11/canary.ts';
import { pkcs11Schema } from '../../../../src/providers/pkcs11/config.ts';
import { CKK, CKM, CKR, MECHANISM_FLAGS } from '../../../../src/providers/pkcs11/cryptoki.ts';
import { nativeError, retryClass } from '../../../../src/providers/pkcs11/errors.ts';
import { LoginGate } from '../../../../src/providers/pkcs11/login-gate.ts';
import { openPkcs11 } from '../../../../src/providers/pkcs11/open.ts';
import { PROFILE_NAMES, PROFILES } from '../../../../src/providers/pkcs11/profiles.ts';
import type { FoundKey } from '../../../../src/providers/pkcs11/protocol.ts';
import { publicKeyOf, specOf, usageOf } from '../../../../src/providers/pkcs11/public-key.ts';
import { systemRandom } from '../../../../src/crypto/random.ts';
import { systemClock } from '../../../../src/ports/clock.ts';
import { silentLog } from '../../../../src/ports/log.ts';

const FOUND: FoundKey = {
  keyClass: 'private',
  id: '01',
  label: 'key',
  keyType: CKK.EC,
  uses: ['sign'],
  local: true,
  alwaysSensitive: true,
  neverExtractable: true,
  sensitive: true,
  extractable: false,
  valueBytes: null,
  modulus: null,
  publicExponent: null,
  curve: '06082a8648ce3d030107',
  point: null,
  spki: null,
};

function spkiOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' });
}

describe('return values', () => {
  test('have the retry classes of the design', () => {
    const classes = {
      reopen: [0xb3, 0xb0, 0x101, 0x90],
      lookup: [0x82, 0x60],
      'other-host': [0x30, 0x31, 0x32, 0xe0, 0xe1, 0x05, 0x06],
      restart: [0x190],
      fatal: [0xa0, 0xa4, 0x68, 0x70, 0x71, 0x63, 0x8000_0001, 0x12345],
    };
    for (const [name, values] of Object.entries(classes)) {
      for (const value of values) assert.equal(retryClass(value), name, `0x${value.toString(16)}`);
    }
  });

  test('become codes of the table, with their own names', () => {
    const codes = [
      [CKR.PIN_LOCKED, 'PROVIDER_DENIED', 'CKR_PIN_LOCKED'],
      [CKR.KEY_FUNCTION_NOT_PERMITTED, 'KEY_USAGE', 'CKR_KEY_FUNCTION_NOT_PERMITTED'],
      [CKR.MECHANISM_INVALID, 'UNSUPPORTED', 'CKR_MECHANISM_INVALID'],
      [CKR.DEVICE_REMOVED, 'PROVIDER_UNAVAILABLE', 'CKR_DEVICE_REMOVED'],
      [CKR.ENCRYPTED_DATA_INVALID, 'INVALID_CIPHERTEXT', 'CKR_ENCRYPTED_DATA_INVALID'],
      [0x8000_0002, 'PROVIDER_UNAVAILABLE', 'CKR_0x80000002'],
    ] as const;
    for (const [value, code, name] of codes) {
      const error = nativeError('hsm-1', value, 'C_Sign');
      assert.equal(error.code, code);
      assert.deepEqual(error.native, { provider: 'hsm-1', code: name, requestId: null });
    }
    assert.equal(nativeError('hsm-1', 0x06, '', PROFILES.cloudhsm.throttleCodes).code, 'THROTTLED');
  });
});

describe('abilities', () => {
  const info = (mechanism: number, flags: number, minKeySize = 0, maxKeySize = 0) => ({
    mechanism,
    flags,
    minKeySize,
    maxKeySize,
  });
  const { sign: signFlag, generateKeyPair, encrypt, wrap } = MECHANISM_FLAGS;

  test('are those that the token declares, with their flags and sizes', () => {
    const can = new Abilities(
      [
        info(CKM.ECDSA, signFlag),
        info(CKM.RSA_PKCS, signFlag, 2048, 3072),
        info(CKM.RSA_PKCS_PSS, 0, 2048, 4096),
        info(CKM.EC_KEY_PAIR_GEN, generateKeyPair),
      ],
      PROFILES.softhsm,
    );
    assert.ok(can.has('sign P-256 ECDSA_SHA_256'));
    assert.ok(can.has('create P-256 '));
    assert.ok(can.has('sign RSA-2048 RSASSA_PKCS1_V1_5_SHA_256'));
    assert.ok(!can.has('sign RSA-4096 RSASSA_PKCS1_V1_5_SHA_256'));
    assert.ok(!can.has('sign RSA-2048 RSASSA_PSS_SHA_256'));
    assert.ok(!can.has('create RSA-2048 '));
    assert.ok(!can.list.some(({ spec }) => spec === 'AES-256-GCM'));
  });

  test('wrap by AES-GCM where there is, else by key wrap', () => {
    const gcm = new Abilities([info(CKM.AES_GCM, encrypt), info(CKM.AES_KEY_WRAP, wrap)], PROFILES.softhsm);
    assert.deepEqual(gcm.wrapMode, { kind: 'gcm', mode: 'caller' });
    const kw = new Abilities([info(CKM.AES_KEY_WRAP, wrap)], PROFILES.softhsm);
    assert.deepEqual(kw.wrapMode, { kind: 'kw', name: 'AES_KEY_WRAP' });
    assert.ok(!kw.has('encrypt AES-256-GCM SYMMETRIC_DEFAULT'));
    assert.equal(new Abilities([], PROFILES.softhsm).wrapMode, null);
    const cloud = new Abilities([info(CKM.CLOUDHSM_AES_GCM, encrypt)], PROFILES.cloudhsm);
    assert.deepEqual(cloud.wrapMode, { kind: 'gcm', mode: 'hsm-prepended' });
  });
});

describe('keys as tokens describe them', () => {
  test('points in and out of their OCTET STRING give the SPKI of OpenSSL', () => {
    for (const [namedCurve, curve] of [
      ['P-256', '06082a8648ce3d030107'],
      ['P-384', '06052b81040022'],
      ['P-521', '06052b81040023'],
      ['secp256k1', '06052b8104000a'],
    ] as const) {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve });
      const point = publicKey.export({ format: 'raw-public' }).toString('hex');
      const size = point.length / 2;
      const header = size < 128 ? `04${size.toString(16)}` : `0481${size.toString(16)}`;
      for (const shown of [point, header + point]) {
        const found = { ...FOUND, curve, point: shown };
        assert.equal(specOf(found), namedCurve);
        assert.deepEqual(publicKeyOf(found), spkiOf(publicKey));
      }
      // Not on the curve, cut, of another form.
      const wrong = `${point.slice(0, -2)}${point.endsWith('00') ? '01' : '00'}`;
      for (const shown of [wrong, point.slice(2), `05${point.slice(2)}`, '']) {
        assert.equal(publicKeyOf({ ...FOUND, curve, point: shown }), null);
      }
    }
  });

  test('Ed25519 is known by its object identifier and by its name', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const point = `0420${publicKey.export({ format: 'raw-public' }).toString('hex')}`;
    for (const curve of ['06032b6570', '130c656477617264733235353139']) {
      const found = { ...FOUND, keyType: CKK.EC_EDWARDS, curve, point };
      assert.equal(specOf(found), 'Ed25519');
      assert.deepEqual(publicKeyOf(found), spkiOf(publicKey));
    }
  });

  test('RSA keys are known by the bits of their modulus', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { n } = publicKey.export({ format: 'jwk' });
    const modulus = Buffer.from(n!, 'base64url').toString('hex');
    for (const shown of [modulus, `00${modulus}`]) {
      const found = { ...FOUND, keyType: CKK.RSA, curve: null, modulus: shown, publicExponent: '010001' };
      assert.equal(specOf(found), 'RSA-2048');
      assert.deepEqual(publicKeyOf(found), spkiOf(publicKey));
    }
    assert.equal(specOf({ ...FOUND, keyType: CKK.RSA, modulus: '80'.repeat(128) }), null);
  });

  test('a key that may do two things has no usage', () => {
    assert.equal(usageOf(FOUND, 'P-256'), 'sign-verify');
    assert.equal(usageOf({ ...FOUND, uses: ['sign', 'derive'] }, 'P-256'), null);
    assert.equal(usageOf({ ...FOUND, uses: ['sign', 'decrypt'] }, 'P-256'), 'sign-verify');
    assert.equal(usageOf({ ...FOUND, uses: [] }, 'P-256'), null);
    assert.equal(usageOf({ ...FOUND, keyClass: 'secret', uses: ['sign'] }, 'HMAC-SHA-256'), 'mac');
    assert.equal(usageOf(FOUND, null), null);
  });

  test('secret keys are known by type and length', () => {
    const secret = (keyType: number, valueBytes: number) =>
      specOf({ ...FOUND, keyClass: 'secret', keyType, valueBytes });
    assert.equal(secret(CKK.AES, 32), 'AES-256-GCM');
    assert.equal(secret(CKK.AES, 16), null);
    assert.equal(secret(CKK.GENERIC_SECRET, 48), 'HMAC-SHA-384');
    assert.equal(secret(CKK.GENERIC_SECRET, 31), null);
    assert.equal(secret(CKK.SHA256_HMAC, 40), 'HMAC-SHA-256');
  });
});

describe('the canary', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const point = pair.publicKey.export({ format: 'raw-public' }).toString('hex');
  const found = { ...FOUND, point };

  test('is pinned once, and another key’s signature is a fault', () => {
    const canary = new Canary(null);
    assert.equal(canary.question(), null);
    assert.ok(canary.pin([{ ...found, id: '02', uses: ['derive'] }, found]));
    assert.equal(canary.fingerprint, fingerprintOf(spkiOf(pair.publicKey)));
    const question = canary.question()!;
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const raw = sign('sha256', Buffer.from('x'), { key: other.privateKey, dsaEncoding: 'ieee-p1363' });
    assert.match(question.fault(raw)!, /does not verify/);
    assert.match(question.fault(Buffer.alloc(0))!, /does not verify/);
    assert.match(question.fault(Buffer.alloc(64))!, /does not verify/);
  });

  test('is the one that the configuration names, or none', () => {
    assert.equal(new Canary('00'.repeat(32)).pin([found]), false);
    assert.equal(new Canary(fingerprintOf(spkiOf(pair.publicKey))).pin([found]), true);
  });
});

describe('logins', () => {
  test('of one token take turns', async () => {
    const gate = LoginGate.of('a', 'turns', null, 1);
    const order: string[] = [];
    const one = await gate.turn('pin');
    const two = gate.turn('pin').then((turn) => {
      order.push('two');
      return turn;
    });
    order.push('one');
    assert.equal(one!.end('accepted', ''), null);
    assert.equal((await two)!.end('away', ''), null);
    assert.deepEqual(order, ['one', 'two']);
  });

  test('with a PIN that was refused are over, those with another one are not', async () => {
    const gate = LoginGate.of('a', 'refused', null, 1);
    const one = await gate.turn('wrong');
    const queued = gate.turn('wrong');
    assert.equal(one!.end('refused', 'it was wrong'), 'it was wrong');
    assert.equal(await queued, null);
    assert.equal(await LoginGate.of('a', 'refused', null, 1).turn('wrong'), null);
    assert.equal((await gate.turn('right'))!.end('accepted', ''), null);
    assert.equal(gate.refusal('right'), null);
  });

  test('of which nobody knows the outcome are a refusal, unless the PIN was right before', async () => {
    const gate = LoginGate.of('a', 'unclear', null, 1);
    (await gate.turn('pin'))!.end('accepted', '');
    assert.equal((await gate.turn('pin'))!.end('unclear', 'it died'), null);
    assert.equal((await gate.turn('other'))!.end('unclear', 'it died'), 'it died');
    assert.equal((await gate.turn('third'))!.end('away', 'nobody looked'), null);
  });
});

describe('configuration', () => {
  const base = { kind: 'pkcs11', name: 'hsm-1', profile: 'softhsm', tokenLabel: 'prod', pin: '1234' };
  const ports = { clock: systemClock, random: systemRandom, log: silentLog };

  test('has defaults for everything but token, PIN and profile', () => {
    const config = pkcs11Schema.parse(base);
    assert.deepEqual(config.canary, { enabled: true, everySeconds: 10 });
    assert.deepEqual(config.env, {});
  });

  test('refuses what is none', () => {
    for (const wrong of [
      { profile: 'other' },
      { slot: 0 },
      { tokenLabel: 'x'.repeat(33) },
      { canary: { fingerprint: 'abc' } },
      { env: { 'A=B': 'c' } },
      { lanes: 0 },
    ]) {
      assert.equal(pkcs11Schema.safeParse({ ...base, ...wrong }).success, false, JSON.stringify(wrong));
    }
  });

  test('a library that is not there, and a PIN of the wrong form, are told before any login', async () => {
    const noLibrary = pkcs11Schema.parse({ ...base, library: '/nowhere/lib.so' });
    await assert.rejects(openPkcs11(noLibrary, ports), {
      code: 'PROVIDER_MISCONFIGURED',
      message: /\/nowhere\/lib\.so/,
    });
    const noUser = pkcs11Schema.parse({ ...base, profile: 'cloudhsm', library: process.execPath });
    await assert.rejects(openPkcs11(noUser, ports), (error: Error) => {
      assert.match(error.message, /user:password/);
      assert.ok(!error.message.includes('1234'));
      return true;
    });
  });

  test('every vendor but the one that was tried is untested', () => {
    assert.deepEqual(
      PROFILE_NAMES.filter((name) => PROFILES[name].tested),
      ['softhsm'],
    );
  });
});
