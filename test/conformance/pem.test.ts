/** Keys in PEM, made by node:crypto, against the conformance kit. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { specRow, type Spec } from '../../src/model/spec.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { pem } from '../../src/providers/pem/index.ts';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { conformanceTests } from '../support/conformance.ts';

const SPECS = ['RSA-2048', 'P-256', 'P-384', 'P-521', 'secp256k1', 'Ed25519'] as const satisfies Spec[];
const KEYS_EACH = 2;

const generate = generateKeyPairSync as unknown as (
  type: string,
  options: object,
) => { readonly privateKey: KeyObject };

function pemOf(spec: Spec): string {
  const { family, size, curve } = specRow(spec);
  const { privateKey } = generate(family, { modulusLength: size, namedCurve: curve });
  return privateKey.export({ format: 'pem', type: 'pkcs8' });
}

const keys = SPECS.flatMap((spec) =>
  Array.from({ length: KEYS_EACH }, (_, n) => ({ name: `${spec}-${n}`, pem: pemOf(spec) })),
);

async function makeProvider(): Promise<Provider> {
  const config = pem.schema.parse({ kind: 'pem', name: 'old-keys', keys });
  return pem.open(config, { clock: systemClock, random: systemRandom, log: silentLog });
}

const given = new Map<Spec, number>();

const harness: ConformanceHarness = {
  makeProvider,
  admin: {
    create: async (spec) => {
      const nth = given.get(spec) ?? 0;
      given.set(spec, nth + 1);
      const provider = await makeProvider();
      // More keys than there are is none: cases that harm theirs do not exist here.
      return provider.resolve(`${spec}-${nth % KEYS_EACH}`, { signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 });
    },
    alias: async (ref) => ref.slice(0, ref.indexOf('@')),
  },
  references: {
    unknown: ['nobody', `nobody@${'0'.repeat(64)}`],
    malformed: ['-a', 'a@', 'a@123', `a@${'0'.repeat(63)}g`, 'a/b'],
  },
  secrets: keys.map(({ pem }) => pem.replaceAll(/-----.*-----|\n/g, '')),
};

conformanceTests('pem', harness);
