/** The built-in keystore as a home beside others, against the conformance kit. */
import { randomUUID } from 'node:crypto';
import { generateMaterial, importMaterial, type KeyMaterial } from '../../src/crypto/key-material.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import type { Spec, Usage } from '../../src/model/spec.ts';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';
import { SoftwareHome, SoftwareProvider } from '../../src/providers/software/index.ts';
import { conformanceTests } from '../support/conformance.ts';

interface Stored extends KeyMaterial {
  readonly spec: Spec;
  readonly usage: Usage;
}

const TENANT = randomUUID();
const store = new Map<string, Stored>();
const software = new SoftwareProvider({
  open: async ({ keyId, version }) =>
    new SecretBytes(Buffer.from(store.get(`${keyId}/${version}`)!.privateMaterial.reveal())),
  random: systemRandom,
  onForget: () => undefined,
});

function home(): SoftwareHome {
  return new SoftwareHome(async (keyId, version) => {
    const found = store.get(`${keyId}/${version}`);
    if (found === undefined) return null;
    const { spec, usage, publicKey } = found;
    return { spec, usage, publicKey, load: () => software.key({ tenantId: TENANT, keyId, version, spec }) };
  }, systemRandom);
}

function kept(spec: Spec, usage: Usage, material: KeyMaterial): string {
  const ref = `${randomUUID()}/1`;
  store.set(ref, { ...material, spec, usage });
  return ref;
}

const harness: ConformanceHarness = {
  makeProvider: async () => home(),
  admin: {
    create: async (spec, usage) => kept(spec, usage, await generateMaterial(spec, systemRandom)),
    importKey: async (spec, usage, material) => kept(spec, usage, importMaterial(spec, material)),
  },
  references: {
    unknown: [`${randomUUID()}/1`],
    malformed: ['', 'software', randomUUID(), `${randomUUID()}/0`, `${randomUUID()}/01`, 'x/1'],
  },
};

conformanceTests('the built-in keystore', harness);
