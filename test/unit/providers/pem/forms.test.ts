/** Keys in PEM of every form, made by openssl. */
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { before, describe, test, after } from 'node:test';
import fc from 'fast-check';
import { readKey } from '../../../../src/providers/pem/material.ts';
import { requirePeer } from '../../../../tools/peers/require.ts';
import { removeFolder, testFolder } from '../../../support/server.ts';
import { openKeyFiles, openPem, options, PASSPHRASE } from './files.ts';

const files = await openKeyFiles(testFolder());
after(() => removeFolder(files.folder));

before(() => {
  const pass = ['-passout', `pass:${PASSPHRASE}`];
  files.run('genrsa', '-traditional', '-out', 'pkcs1.pem', '2048');
  files.run('pkcs8', '-topk8', '-nocrypt', '-in', 'pkcs1.pem', '-out', 'pkcs8.pem');
  files.run('pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-in', 'pkcs1.pem', ...pass, '-out', 'pbes2.pem');
  files.run('pkcs8', '-topk8', '-scrypt', '-in', 'pkcs1.pem', ...pass, '-out', 'scrypt.pem');
  files.run('rsa', '-traditional', '-aes256', '-in', 'pkcs1.pem', ...pass, '-out', 'dek-aes.pem');
  files.run('rsa', '-traditional', '-des3', '-in', 'pkcs1.pem', ...pass, '-out', 'dek-3des.pem');
  const legacy = ['-provider', 'legacy', '-provider', 'default'];
  files.run('pkcs8', '-topk8', '-v1', 'PBE-MD5-DES', '-in', 'pkcs1.pem', ...pass, '-out', 'pbes1.pem', ...legacy);
  files.run('rsa', '-in', 'pkcs1.pem', '-pubout', '-out', 'spki.pem');
  files.run('rsa', '-in', 'pkcs1.pem', '-RSAPublicKey_out', '-out', 'pkcs1-public.pem');
  files.run('req', '-x509', '-key', 'pkcs1.pem', '-subj', '/CN=Old Service', '-days', '2', '-out', 'certificate.pem');
  files.run('rsa', '-in', 'pkcs1.pem', '-outform', 'DER', '-traditional', '-out', 'pkcs1.der');
  files.run('ecparam', '-name', 'prime256v1', '-genkey', '-out', 'sec1.pem');
  files.run('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', 'p384.pem');
  files.run('ecparam', '-name', 'brainpoolP256r1', '-genkey', '-noout', '-out', 'brainpool.pem');
  files.run('genpkey', '-algorithm', 'ed25519', '-out', 'ed25519.pem');
  files.run('genpkey', '-algorithm', 'x25519', '-out', 'x25519.pem');
  files.run('genrsa', '-out', 'weak.pem', '1024');
  files.run('genrsa', '-3', '-out', 'exponent.pem', '2048');
});

/** Opens a provider with one key, `k`. */
function openOne(key: object): ReturnType<typeof openPem> {
  return openPem({ name: 'k', ...key });
}

/** The key signs, and node:crypto verifies it with the public key that openssl wrote. */
async function requireSigns(key: object, publicFile = 'spki.pem'): Promise<void> {
  const { provider } = await openOne(key);
  const ref = await provider.resolve('k', options());
  const { spec, publicKey } = await provider.describe(ref, options());
  const message = Buffer.from('an old message');
  const algorithm = { 'RSA-2048': 'RSASSA_PKCS1_V1_5_SHA_256', 'P-384': 'ECDSA_SHA_384', Ed25519: 'ED25519_SHA_512' }[
    spec as string
  ];
  const { value } = await provider.key(ref, spec!).sign!(
    (algorithm ?? 'ECDSA_SHA_256') as never,
    { message },
    options(),
  );
  const expected = createPublicKey(files.text(publicFile));
  const hash = { 'P-384': 'sha384', Ed25519: null }[spec as string];
  assert.ok(verify(hash === undefined ? 'sha256' : hash, message, expected, value));
  assert.deepEqual(publicKey, expected.export({ format: 'der', type: 'spki' }));
}

async function refusal(key: object): Promise<Error & { code: string }> {
  return openOne(key).then(
    () => assert.fail('it must be refused'),
    (error: Error & { code: string }) => error,
  );
}

describe('a private key in PEM signs', () => {
  const FORMS = {
    'PKCS#1': ['pkcs1.pem'],
    'PKCS#8': ['pkcs8.pem'],
    'encrypted PKCS#8, PBES2': ['pbes2.pem', PASSPHRASE],
    'encrypted PKCS#8, scrypt': ['scrypt.pem', PASSPHRASE],
    "OpenSSL's own encryption, AES": ['dek-aes.pem', PASSPHRASE],
    "OpenSSL's own encryption, triple DES": ['dek-3des.pem', PASSPHRASE],
  } as const;
  for (const [form, [file, passphrase]] of Object.entries(FORMS)) {
    test(`${form}, from a file, from a text and from base64`, async (t) => {
      if ((await requirePeer(t, 'openssl')) === null) return;
      const text = files.text(file);
      const more = passphrase === undefined ? {} : { passphrase };
      await requireSigns({ file: files.path(file), ...more });
      await requireSigns({ pem: text, ...more });
      await requireSigns({ base64: Buffer.from(text).toString('base64'), ...more });
    });
  }

  test('SEC 1, with its parameters before it', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    files.run('ec', '-in', 'sec1.pem', '-pubout', '-out', 'sec1-public.pem');
    await requireSigns({ file: files.path('sec1.pem') }, 'sec1-public.pem');
  });

  for (const name of ['p384', 'ed25519']) {
    test(name, async (t) => {
      if ((await requirePeer(t, 'openssl')) === null) return;
      files.run('pkey', '-in', `${name}.pem`, '-pubout', '-out', `${name}-public.pem`);
      await requireSigns({ file: files.path(`${name}.pem`) }, `${name}-public.pem`);
    });
  }

  test('DER in base64, in lines of any length', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    files.run('base64', '-in', 'pkcs1.der', '-out', 'pkcs1.b64');
    await requireSigns({ base64: files.text('pkcs1.b64') });
  });

  test('with mixed line ends, a byte order mark and other text around it', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    let n = 0;
    const mixed = files.text('pkcs8.pem').replaceAll('\n', () => ['\n', '\r\n', '  \r\n', '\r'][n++ % 4]!);
    await requireSigns({ pem: `\uFEFFBag Attributes\r\n    localKeyID: 01\n${mixed}` });
  });

  test('beside its certificate, in either order', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    const [key, certificate] = [files.text('pkcs8.pem'), files.text('certificate.pem')];
    await requireSigns({ pem: key + certificate });
    await requireSigns({ pem: certificate + key });
  });
});

describe('a public key in PEM', () => {
  for (const [form, file] of [
    ['public key', 'spki.pem'],
    ['PKCS#1 public key', 'pkcs1-public.pem'],
    ['certificate', 'certificate.pem'],
  ] as const) {
    test(`${form}: is described, and has nothing that it could do`, async (t) => {
      if ((await requirePeer(t, 'openssl')) === null) return;
      const { provider, lines } = await openOne({ file: files.path(file) });
      const ref = await provider.resolve('k', options());
      const info = await provider.describe(ref, options());
      assert.equal(info.claims['form'], form);
      assert.equal(info.claims['only'], 'verifying');
      assert.equal(info.spec, 'RSA-2048');
      const expected = createPublicKey(files.text('spki.pem')).export({ format: 'der', type: 'spki' });
      assert.deepEqual(info.publicKey, expected);
      assert.deepEqual(provider.key(ref, 'RSA-2048'), { ref });
      assert.deepEqual(provider.capabilities(), []);
      assert.deepEqual(lines, []);
      if (form === 'certificate') assert.equal(info.claims['certificateSubject'], 'CN=Old Service');
    });
  }

  test('of a private key: `publicKeyOnly` leaves the private one out', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    const { provider, lines } = await openOne({ file: files.path('pkcs8.pem'), publicKeyOnly: true });
    const ref = await provider.resolve('k', options());
    assert.deepEqual(provider.key(ref, 'RSA-2048'), { ref });
    assert.deepEqual(lines, []);
  });
});

describe('a key in PEM is refused', () => {
  const REFUSED: Readonly<Record<string, readonly [key: () => object, message: RegExp]>> = {
    'with a wrong passphrase': [
      () => ({ file: files.path('pbes2.pem'), passphrase: 'wrong' }),
      /key `k`: the passphrase is wrong, or the key is damaged$/,
    ],
    "with a wrong passphrase for OpenSSL's own encryption": [
      () => ({ file: files.path('dek-aes.pem'), passphrase: 'wrong' }),
      /the passphrase is wrong, or the key is damaged$/,
    ],
    'without its passphrase': [() => ({ file: files.path('pbes2.pem') }), /it is encrypted; give its `passphrase`$/],
    "without its passphrase, in OpenSSL's own encryption": [
      () => ({ pem: files.text('dek-3des.pem') }),
      /it is encrypted; give its `passphrase`$/,
    ],
    'with an encryption that OpenSSL no longer reads': [
      () => ({ file: files.path('pbes1.pem'), passphrase: PASSPHRASE }),
      /too old to be read; convert it: `openssl pkcs8 -topk8/,
    ],
    'of a curve that no spec has': [() => ({ file: files.path('brainpool.pem') }), /no spec has: ec, brainpoolP256r1$/],
    'that only agrees': [() => ({ file: files.path('x25519.pem') }), /no spec has: x25519$/],
    'with another exponent': [() => ({ file: files.path('exponent.pem') }), /no spec has: rsa, 2048 bits, exponent 3$/],
    'that is weak': [() => ({ file: files.path('weak.pem') }), /it is weak: RSA with 1024 bits; make a new key/],
    'whose file is not there': [() => ({ file: files.path('nothing.pem') }), /its file is not there$/],
    'whose file is a folder': [() => ({ file: files.folder }), /its file cannot be read$/],
    'that is cut off': [() => ({ pem: files.text('pkcs8.pem').slice(0, 900) }), /its PEM is cut off/],
    'that lacks a line': [
      () => ({ pem: files.text('pkcs8.pem').replace(/\n[^\n]+\n/, '\n') }),
      /its private key is damaged$/,
    ],
    'beside another one': [
      () => ({ pem: files.text('pkcs8.pem') + files.text('p384.pem') }),
      /it holds several keys; give each its own file and name$/,
    ],
    'that is garbage': [() => ({ pem: 'hello' }), /neither PEM nor a key in DER/],
    'that is empty': [() => ({ base64: 'AA==' }), /neither PEM nor a key in DER/],
    'that is no base64': [() => ({ base64: '!!!' }), /no base64 with its padding/],
    'in the format of OpenSSH': [
      () => ({ pem: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n' }),
      /format of OpenSSH; convert a copy: `ssh-keygen/,
    ],
    'that is something else': [
      () => ({ pem: '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n' }),
      /it holds no key, but X509 CRL$/,
    ],
    'whose file is too long': [
      () => {
        writeFileSync(files.path('long.pem'), `${files.text('pkcs8.pem')}${'x'.repeat(70_000)}`);
        return { file: files.path('long.pem') };
      },
      /more than 65536 bytes/,
    ],
  };
  for (const [what, [key, message]] of Object.entries(REFUSED)) {
    test(what, async (t) => {
      if ((await requirePeer(t, 'openssl')) === null) return;
      const error = await refusal(key());
      assert.equal(error.code, 'PROVIDER_MISCONFIGURED');
      assert.match(error.message, message);
      assert.match(error.message, /^provider `old`, key `k`: /);
    });
  }

  test('whose parts do not belong together', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    const der = Buffer.from(files.text('pkcs1.pem').replaceAll(/-----.*-----|\n/g, ''), 'base64');
    // The last bytes are the coefficient.
    der[der.length - 5]! ^= 1;
    const { message } = await refusal({ base64: der.toString('base64') });
    assert.match(message, /its parts do not belong together|neither PEM nor a key/);
  });

  test('with no source, or with two', async () => {
    await assert.rejects(openOne({}), /one of `file`, `pem` and `base64`/);
    await assert.rejects(openOne({ pem: 'a', base64: 'b' }), /one of `file`, `pem` and `base64`/);
    await assert.rejects(openPem({ name: 'a', pem: 'x' }, { name: 'a', pem: 'y' }), /two keys must not have one name/);
  });

  test('random bytes and broken PEM end with words of ours', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    const good = Buffer.from(files.text('pkcs8.pem'));
    const broken = fc.tuple(fc.nat(good.length - 1), fc.uint8Array({ minLength: 1, maxLength: 20 }));
    const read = (bytes: Buffer): void => {
      try {
        readKey(bytes, { publicKeyOnly: true, allowWeak: false });
      } catch (error) {
        assert.equal((error as Error).name, 'UnfitPem');
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => read(Buffer.from(bytes))));
    fc.assert(
      fc.property(broken, ([at, bytes]) => {
        read(Buffer.concat([good.subarray(0, at), bytes, good.subarray(at + bytes.length)]));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a weak key', () => {
  test('that is allowed is described and warned of, and cannot be used', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    const { provider, lines } = await openOne({ file: files.path('weak.pem'), allowWeak: true });
    const ref = await provider.resolve('k', options());
    const { spec, claims } = await provider.describe(ref, options());
    assert.equal(spec, null);
    assert.equal(claims['weak'], 'RSA with 1024 bits');
    assert.deepEqual(provider.key(ref, 'RSA-2048'), { ref });
    assert.ok(lines.some(({ level, message }) => level === 'warn' && /it is weak: RSA with 1024 bits/.test(message)));
  });
});

describe('a private key in PEM is loud', () => {
  test('in the log at the start, in `probe` and in its description', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    chmodSync(files.path('pkcs8.pem'), 0o600);
    const { provider, lines } = await openOne({ file: files.path('pkcs8.pem') });
    assert.equal(lines.length, 1);
    assert.equal(lines[0]!.level, 'warn');
    assert.match(lines[0]!.message, /^provider `old`, key `k`: a private key in PEM is for migrations only/);
    assert.match((await provider.probe(options())).detail, /^1 keys in PEM, 1 of them private: .*migrations only/);
    const { claims } = await provider.describe(await provider.resolve('k', options()), options());
    assert.match(claims['warning']!, /migrations only/);
  });

  test('more so where others may read its file', async (t) => {
    if ((await requirePeer(t, 'openssl')) === null) return;
    chmodSync(files.path('pkcs8.pem'), 0o644);
    const { lines } = await openOne({ file: files.path('pkcs8.pem') });
    assert.match(lines.at(-1)!.message, /others may read its file; chmod 600 it$/);
  });
});
