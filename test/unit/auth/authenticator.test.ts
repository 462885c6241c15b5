import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { Authenticator, type Credentials, type Proof } from '../../../src/auth/authenticator.ts';
import { newToken } from '../../../src/auth/token.ts';
import { ClavigerError, type Reason } from '../../../src/errors.ts';
import type { Credential, Principal } from '../../../src/model/principal.ts';
import { bufferBytes, usePoolUp } from '../../support/held-bytes.ts';
import { ACCESS_KEY_ID, NOW_MS, REGION, SECRET, sign } from './signer.ts';

const ID = '0199a5e2-1f3a-7c4d-8e5f-0123456789ab';
const AWS_ID = '0199a5e2-1f3a-7c4d-8e5f-0123456789ac';
const TOKEN = newToken(ID, { bytes: (length) => randomBytes(length) });

const TOKEN_CREDENTIAL: Credential = {
  id: ID,
  tenantId: 'tenant-1',
  kind: 'token',
  name: 'billing',
  roles: ['crypto-user'],
  systemScope: false,
  accessKeyId: null,
  verifier: TOKEN.verifier,
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
};
const AWS_CREDENTIAL: Credential = {
  ...TOKEN_CREDENTIAL,
  id: AWS_ID,
  kind: 'aws',
  accessKeyId: ACCESS_KEY_ID,
  verifier: Buffer.from('sealed'),
};

const TOKEN_PROOF: Proof = { kind: 'token', text: TOKEN.text };
const AWS_PROOF: Proof = { kind: 'sigv4', request: sign() };

/** An authenticator over a few credentials, that counts what it asks for. */
function world(...list: readonly Credential[]) {
  const state = { list, nowMs: NOW_MS, opened: 0, asked: 0, late: false };
  const find = (test: (credential: Credential) => boolean): Credential | null | Promise<Credential | null> => {
    state.asked += 1;
    const found = state.list.find(test) ?? null;
    return state.late ? Promise.resolve(found) : found;
  };
  const credentials: Credentials = {
    byId: (id) => find((credential) => credential.id === id),
    byAccessKeyId: (accessKeyId) => find((credential) => credential.accessKeyId === accessKeyId),
    openSecret: () => {
      state.opened += 1;
      return state.late ? Promise.resolve(SECRET) : SECRET;
    },
  };
  const authenticator = new Authenticator({ credentials, clock: { now: () => state.nowMs }, region: REGION });
  const authenticate = (proof: Proof): Principal | Promise<Principal> => authenticator.authenticate(proof);
  /** The principal, which must be proved at once. */
  const proved = (proof: Proof): Principal => {
    const principal = authenticate(proof);
    assert.ok(!(principal instanceof Promise));
    return principal;
  };
  return { state, authenticate, proved };
}

test('what is remembered of a token is the token, and no memory that others had', () => {
  const tokens = Array.from({ length: 100 }, (_, n) => newToken(idOf(n), { bytes: (length) => randomBytes(length) }));
  const list = tokens.map(({ verifier }, n) => ({ ...TOKEN_CREDENTIAL, id: idOf(n), verifier }));
  const { proved, state } = world(...list);
  const before = bufferBytes();
  for (const { text } of tokens) {
    proved({ kind: 'token', text });
    usePoolUp();
  }
  const held = bufferBytes() - before;
  assert.ok(held < 4 * Buffer.poolSize, `${held} bytes for ${tokens.length} tokens`);
  for (const { text } of tokens) proved({ kind: 'token', text });
  assert.equal(state.asked, 2 * tokens.length);
});

function idOf(n: number): string {
  return `0199a5e2-1f3a-7c4d-8e5f-${String(n).padStart(12, '0')}`;
}

function refusal(call: () => unknown): ClavigerError {
  try {
    call();
  } catch (thrown) {
    assert.ok(thrown instanceof ClavigerError, String(thrown));
    assert.equal(thrown.code, 'UNAUTHENTICATED');
    return thrown;
  }
  assert.fail('nothing was refused');
}

function refuses(call: () => unknown, reason: Reason | undefined, message: RegExp): void {
  const error = refusal(call);
  assert.equal(error.reason, reason);
  assert.match(error.message, message);
}

const UNIFORM = /^the token is not valid; check that it was copied whole, or make a new one$/;

describe('a token', () => {
  test('proves its principal at once where the credential is at hand', () => {
    const { authenticate } = world(TOKEN_CREDENTIAL);
    assert.deepEqual(authenticate(TOKEN_PROOF), {
      id: ID,
      name: 'billing',
      tenantId: 'tenant-1',
      roles: ['crypto-user'],
      systemScope: false,
      via: 'token',
    });
  });

  test('proves it later where the credential has to be read', async () => {
    const { state, authenticate } = world(TOKEN_CREDENTIAL);
    state.late = true;
    const principal = authenticate(TOKEN_PROOF);
    assert.ok(principal instanceof Promise);
    assert.equal((await principal).id, ID);
    state.late = false;
    assert.equal(authenticate(TOKEN_PROOF), await principal);
  });

  test('is looked up once a call, proved before or not, so that no read is left over', async () => {
    const { state, authenticate } = world(TOKEN_CREDENTIAL);
    for (const late of [false, true, false]) {
      state.late = late;
      state.asked = 0;
      await authenticate(TOKEN_PROOF);
      assert.equal(state.asked, 1);
    }
  });

  test('proves one frozen principal for one credential object, and another for a changed one', () => {
    const { state, authenticate, proved } = world(TOKEN_CREDENTIAL);
    const first = proved(TOKEN_PROOF);
    assert.equal(authenticate(TOKEN_PROOF), first);
    assert.ok(Object.isFrozen(first) && Object.isFrozen(first.roles));
    state.list = [{ ...TOKEN_CREDENTIAL, roles: ['auditor'] }];
    const second = proved(TOKEN_PROOF);
    assert.notEqual(second, first);
    assert.deepEqual(second.roles, ['auditor']);
  });

  test('is refused with one message, whether it is malformed, unknown, wrong, revoked or of an access key', () => {
    const { state, authenticate, proved } = world(TOKEN_CREDENTIAL, AWS_CREDENTIAL);
    const other = newToken(ID, { bytes: (length) => randomBytes(length) }).text;
    const unknown = newToken('0199a5e2-1f3a-7c4d-8e5f-0123456789ff', { bytes: (length) => randomBytes(length) }).text;
    const ofAccessKey = newToken(AWS_ID, { bytes: (length) => randomBytes(length) }).text;
    for (const proven of [false, true]) {
      if (proven) proved(TOKEN_PROOF);
      for (const text of ['', 'x', `${TOKEN.text} `, `${TOKEN.text.slice(0, -1)}é`, other, unknown, ofAccessKey]) {
        refuses(() => authenticate({ kind: 'token', text }), undefined, UNIFORM);
      }
    }
    state.list = [{ ...TOKEN_CREDENTIAL, revokedAt: NOW_MS - 1 }];
    refuses(() => authenticate(TOKEN_PROOF), undefined, UNIFORM);
    state.list = [{ ...TOKEN_CREDENTIAL, kind: 'aws', accessKeyId: ACCESS_KEY_ID }];
    refuses(() => authenticate(TOKEN_PROOF), undefined, UNIFORM);
    state.list = [];
    refuses(() => authenticate(TOKEN_PROOF), undefined, UNIFORM);
  });

  test('is refused late with the same message', async () => {
    const { state, authenticate } = world();
    state.late = true;
    await assert.rejects(async () => authenticate(TOKEN_PROOF), { code: 'UNAUTHENTICATED', message: UNIFORM });
  });

  test('that was proved is refused once its credential is revoked or gone', () => {
    const { state, authenticate, proved } = world(TOKEN_CREDENTIAL);
    proved(TOKEN_PROOF);
    state.list = [{ ...TOKEN_CREDENTIAL, revokedAt: NOW_MS }];
    refuses(() => authenticate(TOKEN_PROOF), undefined, UNIFORM);
    state.list = [];
    refuses(() => authenticate(TOKEN_PROOF), undefined, UNIFORM);
  });

  test('expires at its time, proved before or not, and only its holder is told', () => {
    const { state, authenticate, proved } = world({ ...TOKEN_CREDENTIAL, expiresAt: NOW_MS + 1000 });
    proved(TOKEN_PROOF);
    state.nowMs = NOW_MS + 999;
    proved(TOKEN_PROOF);
    state.nowMs = NOW_MS + 1000;
    const expired = /^the token expired at 2015-08-30T12:36:01\.000Z; make a new one$/;
    refuses(() => authenticate(TOKEN_PROOF), 'ExpiredCredential', expired);
    state.list = [{ ...TOKEN_CREDENTIAL, expiresAt: NOW_MS + 1000 }];
    refuses(() => authenticate(TOKEN_PROOF), 'ExpiredCredential', expired);
    const other = newToken(ID, { bytes: (length) => randomBytes(length) }).text;
    refuses(() => authenticate({ kind: 'token', text: other }), undefined, UNIFORM);
  });

  test('never stands in the error that refuses it', () => {
    const { authenticate } = world();
    assert.equal(JSON.stringify(refusal(() => authenticate(TOKEN_PROOF))).includes(TOKEN.text.slice(30)), false);
  });
});

describe('a signature', () => {
  test('proves its principal, and opens the secret once for a credential object', () => {
    const { state, authenticate, proved } = world(AWS_CREDENTIAL);
    const principal = proved(AWS_PROOF);
    assert.equal(principal.id, AWS_ID);
    assert.equal(principal.via, 'sigv4');
    assert.equal(authenticate(AWS_PROOF), principal);
    assert.equal(state.opened, 1);
    state.list = [{ ...AWS_CREDENTIAL }];
    assert.notEqual(authenticate(AWS_PROOF), principal);
    assert.equal(state.opened, 2);
  });

  test('proves it later where the credential or the secret has to be read', async () => {
    const { state, authenticate } = world(AWS_CREDENTIAL);
    state.late = true;
    const principal = authenticate(AWS_PROOF);
    assert.ok(principal instanceof Promise);
    assert.equal((await principal).id, AWS_ID);
    state.late = false;
    assert.equal(authenticate(AWS_PROOF), await principal);
  });

  test('is refused with one message where the access key is unknown, revoked or of a token', () => {
    const message = /^the security token included in the request is invalid; check the access key id$/;
    const revoked = { ...AWS_CREDENTIAL, revokedAt: 1 };
    for (const list of [[], [revoked], [{ ...AWS_CREDENTIAL, kind: 'token' as const }]]) {
      refuses(() => world(...list).authenticate(AWS_PROOF), undefined, message);
    }
    assert.equal(refusal(() => world().authenticate(AWS_PROOF)).aws, 'UnrecognizedClientException');
  });

  test('is refused where it is wrong or stale', () => {
    const { state, authenticate } = world(AWS_CREDENTIAL);
    refuses(
      () => authenticate({ kind: 'sigv4', request: sign({ secret: 'x' }) }),
      'InvalidRequestSignature',
      /does not match/,
    );
    state.nowMs += 6 * 60_000;
    refuses(() => authenticate(AWS_PROOF), 'InvalidRequestSignature', /^signature expired/);
  });

  test('of an access key that has expired tells only the holder of the secret', () => {
    const { authenticate } = world({ ...AWS_CREDENTIAL, expiresAt: NOW_MS });
    refuses(() => authenticate(AWS_PROOF), 'ExpiredCredential', /^the access key expired at/);
    refuses(
      () => authenticate({ kind: 'sigv4', request: sign({ secret: 'x' }) }),
      'InvalidRequestSignature',
      /does not match/,
    );
  });
});

test('no credential is refused with what to send', () => {
  refuses(() => world().authenticate({ kind: 'none' }), 'MissingAuthentication', /send `Authorization: Bearer TOKEN`/);
});

test('a principal that the process vouches for is taken as it is', () => {
  const principal: Principal = {
    id: 'rotation',
    name: 'rotation',
    tenantId: 't',
    roles: [],
    systemScope: false,
    via: 'job',
  };
  assert.equal(world().authenticate({ kind: 'principal', principal }), principal);
});
