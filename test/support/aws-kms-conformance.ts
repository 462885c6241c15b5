/**
 * The AWS KMS adapter and the conformance kit, at a server behind a proxy that makes faults.
 *
 * Keys are made, disabled and destroyed by AWS's own client. What an imitation lacks is not asked of it; what it does wrong
 * stands in the table of its test.
 *
 * @module
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
import { conformanceTests, httpFaults } from './conformance.ts';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { nativeClient, openProvider, type KmsServer } from './kms-servers.ts';
import { partialProvider } from './partial-provider.ts';

/** One server, and what it has. */
export interface Stage {
  readonly name: string;
  /** What has to be installed. */
  readonly peer?: PeerName;
  readonly start: (t: TestContext) => Promise<KmsServer | null>;
  readonly has: (row: Capability) => boolean;
  /** It has RotateKeyOnDemand, with new material. */
  readonly rotates?: true;
  readonly knownFaults: Readonly<Record<string, string>>;
}

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

/** One test a case; one that is skipped where the server is not installed. */
export async function awsKmsConformance(stage: Stage): Promise<void> {
  const { peer } = stage;
  if (peer !== undefined && (await findPeer<object>(PEERS[peer])) === null) {
    test(`the AWS KMS adapter, ${stage.name}`, async (t) => void (await requirePeer(t, peer)));
    return;
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
