/** The conformance suite on SoftHSM: keys are made and ended by OpenSC's client, and its spy counts the calls. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { specRow, type Spec, type Usage } from '../../src/model/spec.ts';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { PEERS } from '../../tools/peers/index.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { conformanceTests } from '../support/conformance.ts';
import { newSoftHsm, openOn, type SoftHsm } from '../support/softhsm.ts';

/** The functions of PKCS#11 that a call of ours begins with. */
const BEGINNINGS =
  /: C_(?:Sign|Encrypt|Decrypt|FindObjects)Init$|: C_(?:GenerateKey|GenerateKeyPair|CreateObject|DestroyObject|DeriveKey|WrapKey|UnwrapKey|GenerateRandom|GetSessionInfo)$/gm;

const paths = await findPeer(PEERS.softhsm);
let hsm: SoftHsm;
let shared: Promise<Provider> | null = null;
let made = 0;

function spyFile(): string {
  return join(hsm.folder, 'spy.log');
}

function open(): Promise<Provider> {
  const env = { ...hsm.env, PKCS11SPY: paths!.library, PKCS11SPY_OUTPUT: spyFile() };
  // The canary's own calls are not those of a case.
  return openOn(hsm.config({ library: paths!.spy, env, canary: { enabled: false } }));
}

/** Reads on where it stopped: the spy writes down every byte. */
const counter = { at: 0, calls: 0 };
function calls(): number {
  if (!existsSync(spyFile())) return 0;
  const { size } = statSync(spyFile());
  const bytes = Buffer.alloc(size - counter.at);
  const file = openSync(spyFile(), 'r');
  readSync(file, bytes, 0, bytes.length, counter.at);
  closeSync(file);
  // A line that is being written is counted when it is whole.
  const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
  counter.at += whole.length;
  counter.calls += whole.toString('latin1').match(BEGINNINGS)?.length ?? 0;
  return counter.calls;
}

const KEY_TYPES: Readonly<Partial<Record<Spec, string>>> = {
  'AES-256-GCM': 'AES:32',
  'RSA-2048': 'RSA:2048',
  'RSA-3072': 'RSA:3072',
  'RSA-4096': 'RSA:4096',
  'P-256': 'EC:prime256v1',
  'P-384': 'EC:secp384r1',
  'P-521': 'EC:secp521r1',
  secp256k1: 'EC:secp256k1',
  Ed25519: 'EC:edwards25519',
};

const USAGE_FLAGS: Readonly<Record<Usage, string>> = {
  'encrypt-decrypt': '--usage-decrypt',
  'sign-verify': '--usage-sign',
  'key-agreement': '--usage-derive',
  mac: '--usage-sign',
  kem: '--usage-derive',
};

async function create(spec: Spec, usage: Usage): Promise<string> {
  made += 1;
  const id = made.toString(16).padStart(8, '0');
  const { family, size } = specRow(spec);
  const type = KEY_TYPES[spec] ?? `GENERIC:${size}`;
  const isSecret = family === 'aes' || family === 'hmac';
  const kind = isSecret ? ['--keygen', '--sensitive'] : ['--keypairgen'];
  await hsm.tool(...kind, '--key-type', type, '--id', id, '--label', labelOf(`id=${id}`), USAGE_FLAGS[usage]);
  return `id=${id}`;
}

function labelOf(ref: string): string {
  return `made ${ref.slice('id='.length)}`;
}

const harness: ConformanceHarness = {
  makeProvider: open,
  sharedProvider: () => (shared ??= open()),
  admin: {
    create,
    destroy: async (ref) => {
      const id = ref.slice('id='.length);
      for (const type of ['privkey', 'pubkey', 'secrkey']) {
        await hsm.tool('--delete-object', '--type', type, '--id', id).catch(() => '');
      }
    },
    alias: (ref) => Promise.resolve(`label=${labelOf(ref)}`),
  },
  faults: { calls, heal: () => Promise.resolve() },
  references: {
    unknown: ['id=ffffffffffffffff', 'label=nobody', 'nobody at all', 'pkcs11:id=%ff%ff', 'pkcs11:token=other;id=%01'],
    malformed: [
      'id=',
      'id=xy',
      'id=0',
      `id=${'00'.repeat(200)}`,
      'pkcs11:',
      'pkcs11:id=%0',
      'pkcs11:id=%01?pin-value=1234',
    ],
  },
  secrets: ['never-shown'],
  fuzzRuns: 20,
};

if (paths === null) {
  describe('pkcs11', () => {
    test('passes the conformance suite', async (t) => void (await requirePeer(t, 'softhsm')));
  });
} else {
  before(async () => {
    hsm = await newSoftHsm(paths);
    Object.assign(harness, { secrets: [hsm.pin] });
  });
  after(async () => {
    await (await shared)?.close();
    hsm.remove();
  });
  conformanceTests('pkcs11', harness);
}
