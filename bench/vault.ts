/**
 * `--compare vault`: the same operations through both servers, by the same load, in turn within one run.
 *
 * @module
 */
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { havePeer } from '../tools/peers/install.ts';
import type { Bench, ScenarioResult } from './bench.ts';
import { CASES, type Prepared } from './cases.ts';
import type { ServerProcess } from './children.ts';
import type { LoadResult } from './load.ts';
import { closedOrder, cpuOf, failuresOf, otherCoresOf, rateOf, warmUp } from './orders.ts';
import { jsonPlan } from './requests.ts';
import { median } from './stats.ts';
import { startVault, type VaultServer } from './vault-server.ts';

/** Our case, and the same in Vault. */
const PAIRS = [
  { name: 'sign', ours: 'p256-sign', theirs: vaultSigning },
  { name: 'encrypt', ours: 'aes-encrypt-1k', theirs: vaultEncrypting },
] as const;

export const vaultComparison = {
  title: 'beside Vault Transit',
  run: async (bench: Bench): Promise<ScenarioResult & { readonly title: string }> => {
    const paths = await havePeer('vault', bench.say);
    const ours = await bench.serve();
    const theirs = await startVault(paths, bench.folder);
    try {
      const figures: Record<string, number> = {};
      const failures: string[] = [];
      for (const pair of PAIRS) {
        const result = await comparePair(bench, ours, theirs, pair);
        Object.assign(figures, result.figures);
        failures.push(...result.failures);
      }
      return { title: `beside Transit of Vault ${paths.version} with its file audit device`, figures, failures };
    } finally {
      await theirs.stop();
    }
  },
};

async function comparePair(
  bench: Bench,
  ours: ServerProcess,
  theirs: VaultServer,
  { name, ours: caseName, theirs: prepareTheirs }: (typeof PAIRS)[number],
): Promise<ScenarioResult> {
  const sides = [
    { server: ours, prepared: await CASES[caseName]!.prepare(ours.world), results: [] as LoadResult[] },
    { server: theirs, prepared: await prepareTheirs(theirs), results: [] as LoadResult[] },
  ] as const;
  const [our, their] = sides;
  for (const { server, prepared } of sides) {
    await warmUp(bench, [closedOrder(bench, server, prepared)]);
  }
  const failures: string[] = [];
  for (let round = 1; round <= bench.rounds; round++) {
    for (const { server, prepared, results } of sides) {
      const auditBytes = theirs.auditBytes();
      results.push(await bench.load(closedOrder(bench, server, prepared)));
      if (server === theirs && theirs.auditBytes() === auditBytes) failures.push('the audit device wrote nothing');
    }
    const [a, b] = sides.map(({ results }) => Math.round(rateOf(results.at(-1)!)));
    bench.say(`${round}/${bench.rounds}  ${CASES[caseName]!.title}: ${a}/s, Vault ${b}/s`);
  }
  for (const { prepared, results } of sides) failures.push(...(await failuresOf(results, prepared)));
  return {
    figures: {
      [`${name}PerSecond`]: median(our.results.map(rateOf)),
      [`${name}VaultPerSecond`]: median(their.results.map(rateOf)),
      [`${name}Ratio`]: median(our.results.map((result, at) => rateOf(result) / rateOf(their.results[at]!))),
      [`${name}P99Ms`]: median(our.results.map(({ latencyMs }) => latencyMs.p99)),
      [`${name}VaultP99Ms`]: median(their.results.map(({ latencyMs }) => latencyMs.p99)),
      [`${name}CpuUs`]: median(our.results.map(cpuOf)),
      [`${name}VaultCpuUs`]: median(their.results.map(cpuOf)),
      [`${name}OtherCores`]: median([...our.results, ...their.results].map(otherCoresOf)),
    },
    failures,
  };
}

async function vaultSigning(vault: VaultServer): Promise<Prepared> {
  const message = randomBytes(32);
  await vault.call('POST', 'transit/keys/p256', { type: 'ecdsa-p256' });
  const { keys } = (await vault.call('GET', 'transit/keys/p256')) as { keys: Record<string, { public_key: string }> };
  const publicKey = createPublicKey(keys['1']!.public_key);
  const input = { input: message.toString('base64') };
  return {
    plan: jsonPlan('/v1/transit/sign/p256/sha2-256', vault.headers, input),
    check: async ({ body }) => {
      const { signature } = (JSON.parse(body) as { data: { signature: string } }).data;
      const der = Buffer.from(signature.replace('vault:v1:', ''), 'base64');
      if (!verify('sha256', message, publicKey, der)) throw new Error("Vault's signature does not verify");
    },
  };
}

async function vaultEncrypting(vault: VaultServer): Promise<Prepared> {
  const text = randomBytes(1024).toString('base64');
  await vault.call('POST', 'transit/keys/aes', { type: 'aes256-gcm96' });
  return {
    plan: jsonPlan('/v1/transit/encrypt/aes', vault.headers, { plaintext: text }),
    check: async ({ body }) => {
      const { ciphertext } = (JSON.parse(body) as { data: { ciphertext: string } }).data;
      const { plaintext } = await vault.call('POST', 'transit/decrypt/aes', { ciphertext });
      if (plaintext !== text) throw new Error("Vault's ciphertext opens to something else");
    },
  };
}
