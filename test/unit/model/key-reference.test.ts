import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'node:test';
import { ClavigerError } from '../../../src/errors.ts';
import {
  kmsReference,
  nativeReference,
  parseKeyReference,
  printKeyReference,
  type KeyReference,
} from '../../../src/model/key-reference.ts';

const ARN = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const RING = 'projects/acme/locations/global/keyRings/r/cryptoKeys';

function refusal(text: string): string {
  try {
    parseKeyReference(text);
  } catch (error) {
    assert.ok(error instanceof ClavigerError, `\`${text}\`: ${String(error)}`);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    return error.message;
  }
  return assert.fail(`\`${text}\` is taken`);
}

describe('our own references', () => {
  const EXAMPLES: readonly (readonly [text: string, provider: string, native: string])[] = [
    [`kms://aws-main/${ARN}`, 'aws-main', ARN],
    ['kms://bao/payments@3', 'bao', 'payments@3'],
    ['kms://azure-dr/orders/0f3b0c52a9e14f6f8a4b7a3d5e6f7081', 'azure-dr', 'orders/0f3b0c52a9e14f6f8a4b7a3d5e6f7081'],
    [`kms://gcp/${RING}/k/cryptoKeyVersions/7`, 'gcp', `${RING}/k/cryptoKeyVersions/7`],
    ['kms://hsm-1/id=0a1b2c3d', 'hsm-1', 'id=0a1b2c3d'],
    ['kms://hsm-1/label=old%20key', 'hsm-1', 'label=old key'],
    ['kms://hsm-1/label=%C3%B6l%40home', 'hsm-1', 'label=öl@home'],
    [`kms://old/invoices@${'ab'.repeat(32)}`, 'old', `invoices@${'ab'.repeat(32)}`],
  ];
  for (const [text, provider, native] of EXAMPLES) {
    test(`\`${text}\` is printed as it was read, and names what the provider calls so`, () => {
      const reference = parseKeyReference(text);
      assert.ok(reference.scheme === 'kms');
      assert.equal(reference.provider, provider);
      assert.equal(printKeyReference(reference), text);
      assert.equal(nativeReference(reference), native);
    });
  }

  test('every native reference comes back as it was, by way of its text', () => {
    const segment = fc.oneof(fc.string({ minLength: 1 }), fc.string({ minLength: 1, unit: 'grapheme' }));
    const natives = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const versions = fc.option(fc.stringMatching(/^[A-Za-z0-9._~-]{1,20}$/), { nil: null });
    let taken = 0;
    fc.assert(
      fc.property(natives, versions, (name, version) => {
        const native = version === null ? name : `${name}@${version}`;
        let reference: KeyReference;
        try {
          reference = kmsReference('p1', native);
        } catch (error) {
          assert.ok(error instanceof ClavigerError);
          return;
        }
        taken += 1;
        const text = printKeyReference(reference);
        assert.match(text, /^kms:\/\/p1\/[\x21-\x7e]+$/);
        assert.deepEqual(parseKeyReference(text), reference);
        assert.equal(nativeReference(reference), native);
      }),
      { numRuns: 2000 },
    );
    assert.ok(taken > 1000, `only ${taken} were tried`);
  });

  test('a text that is taken is printed byte by byte, whatever it is', () => {
    const part = fc.constantFrom(
      'kms://',
      'p',
      '/',
      '@',
      '%',
      '40',
      '2F',
      '2f',
      '%C3%B6',
      'ö',
      '.',
      '..',
      ':',
      '=',
      '?',
      '#',
      'A',
      '~',
      ' ',
      '\\',
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const text = `kms://p/${parts.join('')}`;
        try {
          assert.equal(printKeyReference(parseKeyReference(text)), text);
          taken += 1;
        } catch (error) {
          assert.ok(error instanceof ClavigerError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(taken > 100, `only ${taken} were taken`);
  });

  const OTHER_FORMS: Readonly<Record<string, string>> = {
    'kms://p/a%2fb': 'kms://p/a/b',
    'kms://p/%61': 'kms://p/a',
    'kms://p/%c3%b6': 'kms://p/%C3%B6',
    'KMS://p/a': 'kms://p/a',
    'kms://p/a+b': 'kms://p/a%2Bb',
  };
  for (const [text, normal] of Object.entries(OTHER_FORMS)) {
    test(`\`${text}\` is refused with the one form, \`${normal}\``, () => {
      assert.ok(refusal(text).endsWith(`write \`${normal}\``), refusal(text));
    });
  }

  const REFUSED: Readonly<Record<string, RegExp>> = {
    '': /other characters/,
    a: /begins with none of/,
    'https://example.com/k': /begins with none of/,
    'kms://': /goes before the name of a provider/,
    'kms:p/a': /goes before the name of a provider/,
    'kms://p': /goes before the name of a provider/,
    'kms:///a': /goes before the name of a provider/,
    'kms://P/a': /goes before the name of a provider/,
    'kms://p:1/a': /goes before the name of a provider/,
    'kms://p/': /empty, `\.` or `\.\.`$/,
    'kms://p/a//b': /empty, `\.` or `\.\.`$/,
    'kms://p/a/../b': /empty, `\.` or `\.\.`$/,
    'kms://p/%2E%2E/b': /empty, `\.` or `\.\.`$/,
    'kms://p/a/': /empty, `\.` or `\.\.`$/,
    'kms://p/a@': /no version/,
    'kms://p/a@1/2': /no version/,
    'kms://p/a%': /two hexadecimal digits$/,
    'kms://p/a%0': /two hexadecimal digits$/,
    'kms://p/%00': /control characters/,
    'kms://p/%FF': /no text in UTF-8/,
    'kms://p/%ED%A0%80': /no text in UTF-8/,
    'kms://p/a b': /visible ASCII/,
    'kms://p/ö': /visible ASCII/,
    'kms://p/a\n': /visible ASCII/,
    [`kms://p/${'a'.repeat(2048)}`]: /more than 2048 characters/,
    'kms://p/a#b': /behind `#`/,
    'kms://p/a?x=1': /`x` is not known/,
    'kms://p/a?': /a parameter is not known/,
  };
  for (const [text, message] of Object.entries(REFUSED)) {
    test(`\`${text.slice(0, 40)}\` is refused`, () => assert.match(refusal(text), message));
  }

  test('a provider name or a native reference that cannot stand in one is refused', () => {
    for (const [provider, native] of [
      ['P', 'a'],
      ['', 'a'],
      ['p', ''],
      ['p', '../a'],
      ['p', 'a\0'],
      ['p', '\ud800'],
      ['p', 'é'.repeat(1000)],
    ] as const) {
      assert.throws(() => kmsReference(provider, native), { code: 'INVALID_ARGUMENT' });
    }
  });
});

describe('references of other tools', () => {
  const TAKEN: readonly (readonly [text: string, normal: string, native: string])[] = [
    [`awskms:///${ARN}`, `awskms:///${ARN}`, ARN],
    [`awskms://${ARN}`, `awskms:///${ARN}`, ARN],
    ['awskms://alias/orders', 'awskms:///alias/orders', 'alias/orders'],
    ['AWSKMS:///alias/orders', 'awskms:///alias/orders', 'alias/orders'],
    [
      'awskms:///mrk-1234abcd12ab34cd56ef1234567890ab',
      'awskms:///mrk-1234abcd12ab34cd56ef1234567890ab',
      'mrk-1234abcd12ab34cd56ef1234567890ab',
    ],
    [`gcpkms://${RING}/k`, `gcpkms://${RING}/k`, `${RING}/k`],
    [`gcpkms:///${RING}/k/versions/2`, `gcpkms://${RING}/k/cryptoKeyVersions/2`, `${RING}/k/cryptoKeyVersions/2`],
    [`gcp-kms://${RING}/k`, `gcpkms://${RING}/k`, `${RING}/k`],
    [
      'azurekms://Acme.Vault.Azure.Net/Orders',
      'azurekms://acme.vault.azure.net/Orders',
      'https://acme.vault.azure.net/keys/Orders',
    ],
    [
      'azurekeyvault://acme.vault.azure.net/keys/orders/0f3b',
      'azurekms://acme.vault.azure.net/orders/0f3b',
      'https://acme.vault.azure.net/keys/orders/0f3b',
    ],
    ['hashivault://orders', 'hashivault://orders', 'orders'],
    [
      'pkcs11:id=%0a%1B;token=My%20token;object=k;type=private',
      'pkcs11:token=My%20token;object=k;type=private;id=%0A%1B',
      'pkcs11:token=My%20token;object=k;type=private;id=%0A%1B',
    ],
    ['pkcs11:object=a%3Bb%3d', 'pkcs11:object=a%3Bb%3D', 'pkcs11:object=a%3Bb%3D'],
    ['pkcs11:id=ab', 'pkcs11:id=%61%62', 'pkcs11:id=%61%62'],
  ];
  for (const [text, normal, native] of TAKEN) {
    test(`\`${text}\` has the normal form \`${normal}\`, which is read as itself`, () => {
      const reference = parseKeyReference(text);
      assert.equal(printKeyReference(reference), normal);
      assert.equal(nativeReference(reference), native);
      assert.deepEqual(parseKeyReference(normal), reference);
    });
  }

  const REFUSED: Readonly<Record<string, RegExp>> = {
    'awskms:///': /goes before a key ARN/,
    'awskms:///key': /goes before a key ARN/,
    [`awskms:${ARN}`]: /goes before a key ARN/,
    [`awskms:///${ARN.toUpperCase()}`]: /goes before a key ARN/,
    [`awskms://localhost:4566/${ARN}`]: /an endpoint is configuration/,
    'gcpkms://projects/p': /goes before `projects/,
    [`gcpkms://${RING}/k/versions/0`]: /goes before `projects/,
    [`gcpkms:${RING}/k`]: /goes before `projects/,
    'azurekms://host': /goes before `HOST\/NAME`/,
    'azurekms:name=k;vault=v': /goes before `HOST\/NAME`/,
    'azurekms://host/a/b/c': /goes before `HOST\/NAME`/,
    'hashivault://a/b': /name of a key of the Transit engine/,
    'hashivault:a': /name of a key of the Transit engine/,
    'hashivault://../a': /name of a key of the Transit engine/,
    'pkcs11:': /a parameter is not known/,
    'pkcs11:token=t': /by `id` or `object`/,
    'pkcs11:object': /`object` is without its value/,
    'pkcs11:object=': /`object` is empty/,
    'pkcs11:object=a;object=b': /`object` stands in it twice/,
    'pkcs11:object=%FF': /no text in UTF-8/,
    'pkcs11:object=a%0A': /control characters/,
    'pkcs11:object=a;x-vendor=b': /`x-vendor` is not known/,
    'pkcs11:object=a;__proto__=b': /not known/,
  };
  for (const [text, message] of Object.entries(REFUSED)) {
    test(`\`${text}\` is refused`, () => assert.match(refusal(text), message));
  }

  const CONFIGURATION = {
    [`awskms:///${ARN}?region=eu-west-1`]: 'region',
    'hashivault://k?engine=transit': 'engine',
    'pkcs11:object=k?module-path=/usr/lib/softhsm.so': 'module-path',
    'pkcs11:object=k;slot-id=1': 'slot-id',
    'pkcs11:object=k;library-version=3': 'library-version',
  };
  for (const [text, name] of Object.entries(CONFIGURATION)) {
    test(`\`${text}\`: \`${name}\` is sent to the configuration`, () => {
      assert.ok(refusal(text).includes(`\`${name}\` is configuration; it stands in the configuration of the provider`));
    });
  }

  test('any text is read, or refused with words of ours', () => {
    const schemes = fc.constantFrom('kms://', 'awskms://', 'gcpkms://', 'azurekms://', 'hashivault://', 'pkcs11:', '');
    const tail = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(ARN, RING, 'id=%41', 'a/b@1'));
    fc.assert(
      fc.property(schemes, tail, tail, (scheme, one, two) => {
        try {
          const normal = printKeyReference(parseKeyReference(`${scheme}${one}${two}`));
          assert.equal(printKeyReference(parseKeyReference(normal)), normal);
        } catch (error) {
          assert.ok(error instanceof ClavigerError, String(error));
          assert.equal(error.code, 'INVALID_ARGUMENT');
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a secret in a reference', () => {
  const SECRET = 'hunter2-0xdeadbeef';
  const TEXTS = [
    `pkcs11:object=k?pin-value=${SECRET}`,
    `pkcs11:object=k?pin-source=file:${SECRET}`,
    `pkcs11:object=k;pin-value=${SECRET}`,
    `kms://p/k?password=${SECRET}`,
    `kms://p/k?x=1&client_secret=${SECRET}`,
    `awskms:///${ARN}?access_key=${SECRET}`,
    `azurekms://host/k?sig=${SECRET}`,
    `hashivault://k?token=${SECRET}`,
    `kms://user:${SECRET}@p/k`,
    `azurekms://user:${SECRET}@host/k`,
  ];
  for (const text of TEXTS) {
    test(`\`${text.replace(SECRET, '…')}\` is refused, with where it goes, and without it`, () => {
      const message = refusal(text);
      assert.match(message, /is a secret, and a reference is shown, logged and kept/);
      assert.ok(!message.includes('hunter2'), message);
    });
  }

  test('no refusal repeats a value or what may be one', () => {
    for (const text of [
      `kms://p/k?${SECRET}`,
      `kms://p/k#${SECRET}`,
      `kms://p/k@${SECRET}/x`,
      `kms://${SECRET}@p/k`,
      `pkcs11:${SECRET}`,
      `pkcs11:object=k;${SECRET}=1`,
      `https://p/${SECRET}`,
      `awskms://${SECRET}/k`,
    ]) {
      assert.ok(!refusal(text).includes(SECRET), refusal(text));
    }
  });
});
