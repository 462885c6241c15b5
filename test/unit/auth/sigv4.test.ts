import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import {
  parseAuthorization,
  signingKey,
  SigningKeys,
  verifyClaim,
  type SigV4Claim,
  type SigV4Request,
} from '../../../src/auth/sigv4.ts';
import { ClavigerError, type Reason } from '../../../src/errors.ts';
import {
  ACCESS_KEY_ID,
  authorizationOf,
  HEADERS,
  NOW_MS,
  REGION,
  SECRET,
  sha256,
  sign,
  TIME,
  withHeader,
} from './signer.ts';

const MINUTE_MS = 60_000;

function check(request: SigV4Request, nowMs = NOW_MS): SigV4Claim {
  const claim = parseAuthorization(request, { region: REGION, nowMs });
  verifyClaim(claim, request, new SigningKeys(SECRET));
  return claim;
}

function refuses(request: SigV4Request, reason: Reason | undefined, message: RegExp, nowMs = NOW_MS): void {
  assert.throws(
    () => check(request, nowMs),
    (thrown) => {
      assert.ok(thrown instanceof ClavigerError, String(thrown));
      assert.equal(thrown.code, 'UNAUTHENTICATED');
      assert.equal(thrown.reason, reason);
      assert.match(thrown.message, message);
      return true;
    },
  );
}

const NO_MATCH = /the request signature we calculated does not match/;

describe('the signing key', () => {
  test('is the one that AWS publishes for 20150830/us-east-1/iam', () => {
    const key = signingKey('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20150830', 'us-east-1', 'iam');
    assert.equal(key.toString('hex'), 'c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9');
  });

  test('is kept for a day and region, and few are', () => {
    const keys = new SigningKeys(SECRET);
    const first = keys.get('20150830', REGION);
    assert.equal(keys.get('20150830', REGION), first);
    for (const date of ['20150831', '20150901', '20150902', '20150903']) keys.get(date, REGION);
    assert.notEqual(keys.get('20150830', REGION), first);
    assert.deepEqual(keys.get('20150830', REGION), first);
  });
});

describe('a signed request is taken', () => {
  test('and its claim says who signed it', () => {
    const { accessKeyId, date, region, time } = check(sign());
    assert.deepEqual(
      { accessKeyId, date, region, time },
      { accessKeyId: ACCESS_KEY_ID, date: '20150830', region: REGION, time: TIME },
    );
  });

  test('with a declared hash of the body, as the SDKs send it', () => {
    const body = '{"KeyId":"1"}';
    check(sign({ body, headers: [...HEADERS, ['X-Amz-Content-Sha256', sha256(body)]] }));
  });

  test('with an empty body', () => {
    check(sign({ body: '' }));
  });

  test('without spaces after the commas of Authorization', () => {
    check(sign({ separator: ',' }));
  });

  test('with headers in any case and order, and with unsigned ones beside', () => {
    const request = sign({
      headers: HEADERS.map(([name, value]) => [name.toUpperCase(), value] as const).toReversed(),
    });
    check({
      ...request,
      headers: ['User-Agent', 'aws-cli/2', 'Accept', '*/*', 'Accept', 'text/plain', ...request.headers],
    });
  });

  test('with white space around and within header values', () => {
    check(sign({ headers: [...HEADERS, ['X-Amz-Meta', '  a   b  c ']] }));
  });

  test('with a header that was sent twice, joined by a comma', () => {
    const request = sign({ headers: [...HEADERS, ['X-Other', 'a,b']] });
    const headers = request.headers.flatMap((text, index) =>
      text === 'a,b' ? ['a', 'X-OTHER', ' b '] : index >= 0 ? [text] : [],
    );
    check({ ...request, headers });
  });

  test('with header bytes beyond ASCII, which Node shows as Latin-1', () => {
    const request = sign({ headers: [...HEADERS, ['X-Amz-Meta', 'zürich']] });
    check(withHeader(request, 'X-Amz-Meta', Buffer.from('zürich').toString('latin1')));
  });

  test('with the header Date instead of X-Amz-Date', () => {
    const headers = [
      ...HEADERS.filter(([name]) => name !== 'X-Amz-Date'),
      ['Date', 'Sun, 30 Aug 2015 12:36:00 GMT'] as const,
    ];
    check(sign({ headers }));
  });

  test('up to five minutes early or late', () => {
    check(sign(), NOW_MS + 5 * MINUTE_MS);
    check(sign(), NOW_MS - 5 * MINUTE_MS);
  });

  test('twice in the same second', () => {
    check(sign());
    check(sign());
  });
});

describe('a signature does not cover', () => {
  test('another body', () => {
    refuses({ ...sign(), body: Buffer.from('{}') }, 'InvalidRequestSignature', NO_MATCH);
  });

  test('another method, path or query', () => {
    refuses({ ...sign(), method: 'PUT' }, 'InvalidRequestSignature', NO_MATCH);
    refuses({ ...sign(), path: '/other' }, 'InvalidRequestSignature', NO_MATCH);
    refuses({ ...sign(), query: 'a=1' }, 'InvalidRequestSignature', NO_MATCH);
  });

  test('another target', () => {
    refuses(withHeader(sign(), 'X-Amz-Target', 'TrentService.Decrypt'), 'InvalidRequestSignature', NO_MATCH);
  });

  test('another host or port', () => {
    refuses(withHeader(sign(), 'Host', 'localhost'), 'InvalidRequestSignature', NO_MATCH);
    refuses(withHeader(sign(), 'Host', 'localhost:443'), 'InvalidRequestSignature', NO_MATCH);
  });

  test('another time of the same day', () => {
    refuses(withHeader(sign(), 'X-Amz-Date', '20150830T123601Z'), 'InvalidRequestSignature', NO_MATCH);
  });

  test('another secret', () => {
    refuses(sign({ secret: `${SECRET}x` }), 'InvalidRequestSignature', NO_MATCH);
  });

  test('a body other than the declared one, even where the declared hash is signed', () => {
    const request = sign({ body: 'a', headers: [...HEADERS, ['X-Amz-Content-Sha256', sha256('a')]] });
    refuses({ ...request, body: Buffer.from('b') }, 'InvalidRequestSignature', /is not the hash of the body/);
  });

  test('a header value with a line feed that looks like another header', () => {
    const request = sign({ headers: [...HEADERS, ['A', '1'], ['B', '2']] });
    const joined = withHeader(withHeader(request, 'B', null), 'A', '1\nb:2');
    const claimed = authorizationOf(request).replace('a;b;', 'a;');
    refuses(withHeader(joined, 'Authorization', claimed), 'IncompleteSignature', /line feed/);
  });
});

describe('what is malformed is refused:', () => {
  const broken = (change: (authorization: string) => string): SigV4Request =>
    withHeader(sign(), 'Authorization', change(authorizationOf(sign())));

  test('no Authorization', () => {
    refuses(withHeader(sign(), 'Authorization', null), 'MissingAuthentication', /is not signed/);
  });

  test('an Authorization of another kind', () => {
    refuses(
      broken(() => 'Bearer abc'),
      'IncompleteSignature',
      /must begin with `AWS4-HMAC-SHA256`/,
    );
    refuses(
      broken(() => ''),
      'IncompleteSignature',
      /must begin with/,
    );
    refuses(
      broken((text) => text.toLowerCase()),
      'IncompleteSignature',
      /must begin with/,
    );
    refuses(
      broken((text) => text.replace(' ', '')),
      'IncompleteSignature',
      /must begin with/,
    );
  });

  test('an Authorization with a part too few, too many or twice', () => {
    const exactly = /needs exactly `Credential`, `SignedHeaders` and `Signature`/;
    refuses(
      broken((text) => text.replace(/, Signature=.*/, '')),
      'IncompleteSignature',
      exactly,
    );
    refuses(
      broken((text) => text.replace('SignedHeaders', 'signedheaders')),
      'IncompleteSignature',
      exactly,
    );
    refuses(
      broken((text) => `${text}, Extra=1`),
      'IncompleteSignature',
      exactly,
    );
    refuses(
      broken((text) => `${text}, `),
      'IncompleteSignature',
      exactly,
    );
    refuses(
      broken((text) => `${text}, Signature=${'0'.repeat(64)}`),
      'IncompleteSignature',
      /`Signature` twice/,
    );
  });

  test('a signature that is not 64 lower-case hex digits', () => {
    const digits = /64 lower-case hex digits/;
    refuses(
      broken((text) => text.slice(0, -1)),
      'IncompleteSignature',
      digits,
    );
    refuses(
      broken((text) => `${text}0`),
      'IncompleteSignature',
      digits,
    );
    refuses(
      broken((text) => text.replace(/Signature=\w+/, (part) => `Signature=${part.slice(10).toUpperCase()}`)),
      'IncompleteSignature',
      digits,
    );
  });

  test('a credential with parts missing or foreign', () => {
    const shape = /must be ACCESS_KEY_ID\/YYYYMMDD\/REGION\/kms\/aws4_request/;
    refuses(
      broken((text) => text.replace('/aws4_request', '')),
      'IncompleteSignature',
      shape,
    );
    refuses(
      broken((text) => text.replace('/20150830/', '/2015083/')),
      'IncompleteSignature',
      shape,
    );
    refuses(
      broken((text) => text.replace(ACCESS_KEY_ID, 'a-b')),
      'IncompleteSignature',
      shape,
    );
    refuses(
      broken((text) => text.replace(ACCESS_KEY_ID, '')),
      'IncompleteSignature',
      shape,
    );
    refuses(
      broken((text) => text.replace('aws4_request', 'aws4_request/x')),
      'IncompleteSignature',
      shape,
    );
  });

  test('an Authorization that is too long', () => {
    refuses(
      broken((text) => text + ' '.repeat(5000)),
      'IncompleteSignature',
      /more than 4096/,
    );
  });

  test('signed headers that are unsorted, repeated or not in lower case', () => {
    const names = 'content-type;host;x-amz-date;x-amz-target';
    const signed = (signedHeaders: string): SigV4Request => sign({ signedHeaders });
    check(signed(names));
    refuses(signed('host;content-type;x-amz-date;x-amz-target'), 'IncompleteSignature', /must be sorted/);
    refuses(signed(`content-type;host;host;x-amz-date;x-amz-target`), 'IncompleteSignature', /must be sorted/);
    refuses(signed(`Content-Type;host;x-amz-date;x-amz-target`), 'IncompleteSignature', /lower-case header names/);
    refuses(signed(`${names};`), 'IncompleteSignature', /lower-case header names/);
    refuses(signed(''), 'IncompleteSignature', /lower-case header names/);
  });

  test('a signed header that was not sent', () => {
    refuses(
      sign({ signedHeaders: 'a;host;x-amz-date;x-amz-target' }),
      'InvalidRequestSignature',
      /`a` is signed, but was not sent/,
    );
  });

  test('a time that is none', () => {
    for (const time of ['20150830', '20150830T246000Z', '20150830T123660Z', '2015-08-30T12:36:00Z', 'now']) {
      const request = sign({ headers: HEADERS.map(([name, value]) => [name, value === TIME ? time : value] as const) });
      refuses(request, 'IncompleteSignature', /is not a time/);
    }
    const leap = HEADERS.map(([name, value]) => [name, value === TIME ? '20150229T123600Z' : value] as const);
    refuses(sign({ headers: leap, time: '20150229T123600Z' }), 'IncompleteSignature', /is not a time/);
  });

  test('a query with a broken percent sign', () => {
    refuses({ ...sign(), query: '%' }, 'IncompleteSignature', /malformed percent sign/);
  });
});

describe('what does not cover enough is refused:', () => {
  test('an unsigned target', () => {
    const request = sign({ signedHeaders: 'content-type;host;x-amz-date' });
    refuses(request, 'InvalidRequestSignature', /`x-amz-target` was sent, but is not signed/);
  });

  test('no target at all', () => {
    const request = sign({ headers: HEADERS.filter(([name]) => name !== 'X-Amz-Target') });
    refuses(request, 'InvalidRequestSignature', /`x-amz-target` must be sent and signed/);
  });

  test('an unsigned host', () => {
    refuses(
      sign({ signedHeaders: 'x-amz-date;x-amz-target' }),
      'InvalidRequestSignature',
      /`host` must be a signed header/,
    );
  });

  test('an unsigned date', () => {
    refuses(
      sign({ signedHeaders: 'host;x-amz-target' }),
      'InvalidRequestSignature',
      /`x-amz-date` was sent, but is not signed/,
    );
    const headers = [
      ...HEADERS.filter(([name]) => name !== 'X-Amz-Date'),
      ['Date', 'Sun, 30 Aug 2015 12:36:00 GMT'] as const,
    ];
    refuses(
      sign({ headers, signedHeaders: 'host;x-amz-target' }),
      'InvalidRequestSignature',
      /must be sent and signed/,
    );
    refuses(sign({ headers: headers.slice(0, 3) }), 'InvalidRequestSignature', /must be sent and signed/);
  });

  test('any x-amz header that was added on the way', () => {
    refuses(
      withHeader(sign(), 'X-Amz-Extra', '1'),
      'InvalidRequestSignature',
      /`x-amz-extra` was sent, but is not signed/,
    );
  });
});

describe('what is not taken is refused by name:', () => {
  test('another region', () => {
    refuses(
      sign({ scope: '20150830/us-east-1/kms/aws4_request' }),
      'InvalidRequestSignature',
      /region `eu-central-1`, not `us-east-1`/,
    );
  });

  test('another service', () => {
    refuses(
      sign({ scope: `20150830/${REGION}/s3/aws4_request` }),
      'InvalidRequestSignature',
      /service `kms`, not `s3`/,
    );
  });

  test('another terminator', () => {
    refuses(
      sign({ scope: `20150830/${REGION}/kms/aws5_request` }),
      'InvalidRequestSignature',
      /terminator `aws4_request`, not/,
    );
  });

  test('a scope of another day than the request', () => {
    refuses(
      sign({ scope: `20150829/${REGION}/kms/aws4_request` }),
      'InvalidRequestSignature',
      /`20150829` is not the day of the request/,
    );
  });

  test('a clock that is more than five minutes off', () => {
    refuses(
      sign(),
      'InvalidRequestSignature',
      /^signature expired: 20150830T123600Z is earlier than 20150830T123600Z/,
      NOW_MS + 5 * MINUTE_MS + 1,
    );
    refuses(sign(), 'InvalidRequestSignature', /^signature not yet current/, NOW_MS - 5 * MINUTE_MS - 1);
    refuses(sign(), 'InvalidRequestSignature', /^signature expired/, NOW_MS + 365 * 24 * 60 * MINUTE_MS);
  });

  test('a presigned query, whatever else is signed', () => {
    for (const query of [
      'X-Amz-Signature=abc',
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      'a=1&x-amz-signature=1',
      'X%2DAmz-Signature=1',
    ]) {
      refuses({ ...sign(), query }, 'IncompleteSignature', /presigned requests are not taken/);
    }
  });

  test('SigV4A', () => {
    refuses(sign({ algorithm: 'AWS4-ECDSA-P256-SHA256' }), 'IncompleteSignature', /SigV4A/);
  });

  test('unsigned and streamed payloads, and hashes that are not lower-case hex', () => {
    for (const declared of ['UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', '', sha256('a').toUpperCase()]) {
      const request = sign({ body: 'a', headers: [...HEADERS, ['X-Amz-Content-Sha256', declared]] });
      refuses(request, 'InvalidRequestSignature', /sign the SHA-256 of the body/);
    }
  });

  test('session tokens', () => {
    refuses(
      sign({ headers: [...HEADERS, ['X-Amz-Security-Token', 'x']] }),
      undefined,
      /session tokens are not issued here/,
    );
  });

  test('Authorization, host, date and x-amz headers that come twice, even with the same value', () => {
    for (const name of ['Authorization', 'host', 'X-AMZ-TARGET', 'x-amz-date', 'X-Amz-Content-Sha256', 'Date']) {
      const request = sign();
      const twice = { ...request, headers: [...request.headers, name, 'x', name, 'x'] };
      refuses(twice, 'IncompleteSignature', new RegExp(`\`${name.toLowerCase()}\` was sent more than once`));
    }
  });
});

/** Node's hashes in the shape that the SDK's signer wants. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error('not used');
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

describe("the signer of AWS's JavaScript SDK is understood", () => {
  const signer = new SignatureV4({
    credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET },
    region: REGION,
    service: 'kms',
    sha256: Sha256,
  });

  interface Sent {
    readonly path: string;
    readonly query: Record<string, string | string[]>;
    readonly headers: Record<string, string>;
    readonly body: string;
  }

  async function signed({ path, query, headers, body }: Sent): Promise<SigV4Request> {
    const request = await signer.sign(
      {
        method: 'POST',
        protocol: 'https:',
        hostname: 'localhost',
        path,
        query,
        headers: { ...headers, 'x-amz-target': 'T.X', host: 'localhost:8443' },
        body,
      },
      { signingDate: new Date(NOW_MS) },
    );
    const pairs = Object.entries(query).flatMap(([name, value]) =>
      [value].flat().map((one) => `${encode(name)}=${encode(one)}`),
    );
    return {
      method: 'POST',
      path,
      query: pairs.join('&'),
      headers: Object.entries(request.headers as Record<string, string>).flat(),
      body: Buffer.from(body),
    };
  }

  function encode(text: string): string {
    return encodeURIComponent(text);
  }

  test('as the KMS client sends it', async () => {
    check(
      await signed({ path: '/', query: {}, headers: { 'content-type': 'application/x-amz-json-1.1' }, body: '{}' }),
    );
  });

  // The paths and queries of AWS's own test suite for signature version 4.
  for (const path of [
    '//',
    '/./',
    '/example/..',
    '/example1/example2/../..',
    '/./example',
    '//example//',
    '/example%20space/',
    '/%E1%88%B4',
    '/-._~0123abcABC',
  ]) {
    test(`with the path ${path}`, async () => {
      check(await signed({ path, query: {}, headers: {}, body: '' }));
    });
  }

  const queries: readonly Record<string, string | string[]>[] = [
    { Param2: 'value2', Param1: 'value1' },
    { Param1: ['value2', 'value1'] },
    { ሴ: 'bar' },
    { a: '', b: 'x y+z/?&=%' },
    { "-._~!'()*": "-._~!'()*" },
  ];
  for (const query of queries) {
    test(`with the query ${JSON.stringify(query)}`, async () => {
      check(await signed({ path: '/', query, headers: {}, body: '' }));
    });
  }

  test('whatever the body and the further headers are', async () => {
    const value = fc.string({ unit: fc.constantFrom(...'abcXYZ019 ,;=:/"~'.split('')) });
    const headers = fc.dictionary(fc.stringMatching(/^x-(?:amz-meta|other)-[a-z0-9]{1,8}$/), value, { maxKeys: 6 });
    await fc.assert(
      fc.asyncProperty(
        headers,
        fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
        async (more, body) => {
          check(await signed({ path: '/', query: {}, headers: more, body }));
        },
      ),
    );
  });
});

describe('properties', () => {
  test('no single change of a signed request is taken, unless it is the same request to HTTP', () => {
    const request = sign({ headers: [...HEADERS, ['X-Amz-Content-Sha256', sha256('body')]], body: 'body' });
    const canonical = canonicalOf(request);
    const place = fc.record({
      part: fc.constantFrom('method', 'path', 'query', 'body', 'name', 'value'),
      index: fc.nat(1000),
      at: fc.nat(1000),
      char: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
      kind: fc.constantFrom('replace', 'insert', 'delete'),
    });
    fc.assert(
      fc.property(place, ({ part, index, at, char, kind }) => {
        const change = (text: string): string => {
          const start = text.length === 0 ? 0 : at % (text.length + 1);
          return (
            text.slice(0, start) + (kind === 'delete' ? '' : char) + text.slice(kind === 'insert' ? start : start + 1)
          );
        };
        const header = 2 * (index % (request.headers.length / 2)) + (part === 'value' ? 1 : 0);
        const changed: SigV4Request =
          part === 'method' || part === 'path' || part === 'query'
            ? { ...request, [part]: change(request[part]) }
            : part === 'body'
              ? { ...request, body: Buffer.from(change('body'), 'latin1') }
              : {
                  ...request,
                  headers: request.headers.map((text, position) => (position === header ? change(text) : text)),
                };
        if (canonicalOf(changed) === canonical) return;
        assert.equal(isTaken(changed), false);
      }),
      { numRuns: 3000 },
    );
  });

  test('nothing but our own errors is thrown, whatever is sent', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        TIME,
        authorizationOf(sign()),
        'AWS4-HMAC-SHA256 Credential=',
        'AWS4-HMAC-SHA256 a=b,c',
        '%zz',
        'Sun, 99 Xyz 2015 12:36:00 GMT',
      ),
    );
    const name = fc.oneof(
      text,
      fc.constantFrom('Authorization', 'host', 'date', 'x-amz-date', 'x-amz-target', 'x-amz-content-sha256'),
    );
    const anyRequest = fc.record({
      method: text,
      path: text,
      query: text,
      headers: fc.array(fc.tuple(name, text), { maxLength: 8 }).map((pairs) => pairs.flat()),
      body: fc.uint8Array(),
    });
    fc.assert(
      fc.property(anyRequest, (request) => {
        assert.throws(() => check(request), ClavigerError);
      }),
      { numRuns: 3000 },
    );
  });
});

/** True where the request is taken for the test's access key: another id leads to another secret. */
function isTaken(request: SigV4Request): boolean {
  try {
    return check(request).accessKeyId === ACCESS_KEY_ID;
  } catch (thrown) {
    assert.ok(thrown instanceof ClavigerError, String(thrown));
    return false;
  }
}

/** What two requests share that differ only in what HTTP does not tell apart, or in what nobody signed. */
function canonicalOf(request: SigV4Request): string {
  const headers = new Map<string, string>();
  for (let index = 0; index < request.headers.length; index += 2) {
    const value = request.headers[index + 1]!.trim().replaceAll(/ +/g, ' ');
    const name = request.headers[index]!.toLowerCase();
    headers.set(name, name === 'authorization' ? value.replaceAll(', ', ',') : value);
  }
  const path = request.path.replaceAll(/\/\.?(?=\/|$)/g, '');
  return JSON.stringify([
    request.method,
    path,
    request.query,
    [...headers].map((pair) => pair.join()).sort(),
    Buffer.from(request.body).toString('hex'),
  ]);
}
