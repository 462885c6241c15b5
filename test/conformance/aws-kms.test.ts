/**
 * The AWS KMS adapter and the conformance kit: moto, local-kms and our own endpoint, each behind a proxy that makes faults.
 *
 * Keys are made, disabled and destroyed by AWS's own client. What an imitation lacks is not asked of it; what it does wrong
 * stands in its table.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { KMS } from '@aws-sdk/client-kms';
import { AWS_USAGES, specRow, type Spec, type Usage } from '../../src/model/spec.ts';
import type { ConformanceAdmin } from '../../src/providers/conformance/index.ts';
import type { Capability } from '../../src/providers/provider.ts';
import { PEERS, type PeerName } from '../../tools/peers/index.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { conformanceTests, httpFaults } from '../support/conformance.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import {
  nativeClient,
  openProvider,
  startLocalKms,
  startMoto,
  startOurs,
  type KmsServer,
} from '../support/kms-servers.ts';
import { partialProvider } from '../support/partial-provider.ts';

interface Stage {
  readonly name: string;
  /** What has to be installed. */
  readonly peer?: PeerName;
  readonly start: (t: TestContext) => Promise<KmsServer | null>;
  readonly has: (row: Capability) => boolean;
  /** It has RotateKeyOnDemand, with new material. */
  readonly rotates?: true;
  readonly knownFaults: Readonly<Record<string, string>>;
}

const DENIES = 'answers AccessDeniedException, without a word, to a ciphertext that names another key or none';
const STATELESS = 'does not enforce the states of keys';

const STAGES: readonly Stage[] = [
  {
    name: 'moto',
    peer: 'moto',
    start: startMoto,
    // Its RSA encryption is AES: there is nothing to be seen.
    has: ({ spec, operation }) =>
      !['ed25519', 'ml-dsa', 'ml-kem'].includes(specRow(spec).family) &&
      !['agree', 'import'].includes(operation) &&
      !(specRow(spec).family === 'rsa' && ['wrap', 'encrypt', 'decrypt'].includes(operation)),
    knownFaults: {
      'wrap AES-256-GCM: a wrap of one key does not open under another': DENIES,
      'wrap AES-256-GCM: a wrap with one bit changed does not open, wherever it is': DENIES,
      'wrap AES-256-GCM: a wrap that is cut or longer does not open': DENIES,
      'wrap AES-256-GCM: noise does not open': DENIES,
      'cipher AES-256-GCM *: changed ciphertexts, and those of other keys, are refused': DENIES,
      'sign RSA-*: of a digest, and others verify it': 'hashes a digest once more',
      'sign P-*: of a digest, and others verify it': 'hashes a digest once more',
      'sign secp256k1 *: of a digest, and others verify it': 'hashes a digest once more',
      'sign *: the salt is as long as the hash': 'salts are as long as the modulus allows',
      'states: *': STATELESS,
      'errors: what a service refused*': STATELESS,
      'errors: messages*': STATELESS,
      'errors: no secret*': STATELESS,
    },
  },
  {
    name: 'local-kms',
    peer: 'local-kms',
    start: startLocalKms,
    has: ({ spec, operation }) =>
      !['ed25519', 'ml-dsa', 'ml-kem', 'hmac'].includes(specRow(spec).family) &&
      !['agree', 'import'].includes(operation),
    knownFaults: {
      'wrap AES-256-GCM: a wrap with one bit changed*': 'does not authenticate the name of the key in a ciphertext',
      'cipher AES-256-GCM *: changed ciphertexts*': 'does not authenticate the name of the key in a ciphertext',
      'wrap AES-256-GCM: noise does not open':
        'crashes at a ciphertext that is shorter than a nonce, and ends the connection',
      'sign *: the salt is as long as the hash': 'salts are as long as the modulus allows',
    },
  },
  {
    name: 'our own endpoint',
    start: startOurs,
    has: () => true,
    rotates: true,
    knownFaults: { 'rotate HMAC-*': 'RotateKeyOnDemand is for symmetric encryption keys, as in AWS' },
  },
];

/** An exception, as KMS sends it. */
function exception(
  status: number,
  name: string,
): { readonly status: number; readonly headers: Record<string, string>; readonly body: string } {
  return {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'request-1' },
    body: JSON.stringify({ __type: name, message: `${name} of the test` }),
  };
}

const WORDS = {
  throttled: exception(400, 'ThrottlingException'),
  failed: exception(500, 'KMSInternalException'),
  denied: exception(400, 'UnrecognizedClientException'),
};
const NOBODY = '0198b6d2-0000-4000-8000-000000000000';

for (const stage of STAGES) {
  const { peer } = stage;
  if (peer !== undefined && (await findPeer<object>(PEERS[peer])) === null) {
    test(`the AWS KMS adapter, ${stage.name}`, async (t) => void (await requirePeer(t, peer)));
    continue;
  }
  describe(`the AWS KMS adapter, ${stage.name}`, () => {
    let server: KmsServer;
    let proxy: FaultProxy;
    let native: KMS;
    before(async (t) => {
      server = (await stage.start(t as TestContext))!;
      proxy = await startFaultProxy({ target: { port: server.port }, mode: 'http' });
      native = nativeClient(server);
    });
    after(async () => {
      native?.destroy();
      await proxy?.stop();
      await server?.stop();
    });

    const idOf = (ref: string): string => ref.split('/').at(-1)!;
    const admin: ConformanceAdmin = {
      create: async (spec: Spec, usage: Usage) => {
        const { KeyMetadata } = await native.createKey({
          KeySpec: specRow(spec).aws as never,
          KeyUsage: AWS_USAGES[usage],
        });
        return KeyMetadata!.Arn!;
      },
      ...(stage.rotates
        ? { rotate: async (ref: string) => void (await native.rotateKeyOnDemand({ KeyId: ref })) }
        : {}),
      disable: async (ref) => void (await native.disableKey({ KeyId: idOf(ref) })),
      enable: async (ref) => void (await native.enableKey({ KeyId: idOf(ref) })),
      destroy: async (ref) => void (await native.scheduleKeyDeletion({ KeyId: idOf(ref), PendingWindowInDays: 7 })),
      alias: async (ref) => {
        const name = `alias/conformance/${idOf(ref)}`;
        await native.createAlias({ AliasName: name, TargetKeyId: idOf(ref) }).catch((error: Error) => {
          assert.equal(error.name, 'AlreadyExistsException');
        });
        return name;
      },
    };

    conformanceTests(stage.name, {
      makeProvider: async () => partialProvider(await openProvider({ ...server, endpoint: proxy.url }), stage.has),
      admin,
      faults: httpFaults(() => proxy, WORDS),
      references: {
        unknown: [NOBODY, 'alias/nobody'],
        malformed: ['orders', 'alias/', 'arn:aws:kms:xx-none-1:111122223333:key/x', `kms://aws-main/${NOBODY}`],
      },
      // Asked for when a case runs: there is no server before.
      get secrets() {
        return [server.credentials.secretAccessKey];
      },
      knownFaults: stage.knownFaults,
    });
  });
}
