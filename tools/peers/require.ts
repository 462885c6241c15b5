/**
 * How a test gets a peer, and asks a verifier.
 *
 *     test('the AWS CLI can sign', async (t) => {
 *       const python = await requirePeer(t, 'python');
 *       if (python === null) return;
 *       await execFileAsync(python.aws, ['kms', 'sign', …]);
 *     });
 *
 * A peer that is not there skips the test with a reason, which `npm test` repeats at its end; under `CI=true` it fails the
 * test, because there every peer must be had. This only looks: `npm test` and `npm run peers` install.
 *
 * @module
 */
import type { TestContext } from 'node:test';
import { mustRun } from '../run.ts';
import { PEERS, type PeerName, type PeerPaths } from './index.ts';
import { findPeer } from './peer.ts';

/** Time for one run of a verifier. */
const VERIFIER_TIME_MS_MAX = 120_000;

/**
 * The peer's paths; null where the test has been skipped, and should return.
 *
 * @throws Error where the peer is not there and the environment says `CI=true`
 */
export async function requirePeer<Name extends PeerName>(t: TestContext, name: Name): Promise<PeerPaths[Name] | null> {
  const paths = await findPeer(PEERS[name]);
  if (paths !== null) return paths;
  const reason = `the peer \`${name}\` is not there; run \`npm run peers -- ${name}\``;
  if (process.env['CI'] === 'true') throw new Error(reason);
  t.skip(reason);
  return null;
}

/**
 * One question to verify.py or goverify; what each takes is told in its header.
 *
 * Algorithms are named as in src/model/algorithm.ts; every field that holds bytes ends in `Base64` (standard, padded).
 */
export interface VerifierRequest {
  /** Default `verify`. */
  readonly op?: string;
  readonly alg: string;
  readonly [field: `${string}Base64`]: string;
  readonly lengthBytes?: number;
}

/** One question to golog. Bytes are base64 under the names of the REST API. */
export type LogQuestion =
  | { readonly op: 'log'; readonly key: string; readonly folder: string }
  | { readonly op: 'receipt'; readonly key: string; readonly receipt: object }
  | { readonly op: 'inclusion' | 'consistency'; readonly hashes: readonly string[]; readonly [field: string]: unknown };

/** `valid` answers `verify`; other operations answer with bytes; `error` says that the verifier could not do it at all. */
export interface VerifierAnswer {
  readonly valid?: boolean;
  /** Of golog: why not. */
  readonly finding?: string;
  readonly error?: string;
  readonly [field: `${string}Base64`]: string | undefined;
}

/**
 * Asks all questions in one run, and gives the answers in their order.
 *
 *     const answers = await askVerifier(python.verifier, [{ alg, publicKeySpkiBase64, messageBase64, signatureBase64 }]);
 *     assert.deepEqual(answers, [{ valid: true }]);
 *
 * @param verifier `verifier` of the peer `python`, `goverify` or `golog`
 */
export async function askVerifier(
  verifier: readonly string[],
  requests: readonly (VerifierRequest | LogQuestion)[],
): Promise<readonly VerifierAnswer[]> {
  const [program = '', ...args] = verifier;
  const input = requests.map((request) => `${JSON.stringify(request)}\n`).join('');
  const { stdout } = await mustRun(program, args, { input, timeoutMs: VERIFIER_TIME_MS_MAX });
  const answers = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as VerifierAnswer);
  if (answers.length !== requests.length)
    throw new Error(`the verifier gave ${answers.length} answers to ${requests.length} questions`);
  return answers;
}
