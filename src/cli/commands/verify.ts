/**
 * `claviger verify`: says yes or no, and exits with 0 or 3.
 *
 * @module
 */
import type { ClavigerClient } from '../../client/index.ts';
import type { VerifyOutput } from '../../operations/verify.ts';
import { KEY_HELP, keyVersionOption, signingAlgorithmOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { rawOrBase64, readInput } from '../input.ts';
import type { Session } from '../session.ts';
import { readToSign, type SignedInputOptions } from '../to-sign.ts';
import { requireOneStdin } from '../one-stdin.ts';

interface VerifyOptions extends SignedInputOptions {
  readonly signature: string;
  readonly keyVersion?: number;
}

export function verifyCommand(): CliCommand {
  return new CliCommand('verify')
    .description('Verify a signature; the exit code is 3 where it does not verify')
    .requiredOption('--key <key>', KEY_HELP)
    .requiredOption('--signature <file>', 'signature, as bytes or base64')
    .addOption(signingAlgorithmOption())
    .option('--digest', 'the input is a digest: its bytes, or hexadecimal or base64 text')
    .addOption(keyVersionOption('version that signed; every usable one is tried where it is not given'))
    .option('-i, --input <file>', 'message; standard input where it is not given')
    .examples('claviger verify --key alias:releases -i release.tar.gz --signature release.sig')
    .run<VerifyOptions>(verify);
}

async function verify(session: Session, options: VerifyOptions): Promise<number> {
  const { key, keyVersion } = options;
  requireOneStdin(options.input, options.signature);
  const client = session.client();
  const signature = rawOrBase64(await readInput(session.terminal, options.signature));
  const versions = async (): Promise<readonly number[]> =>
    keyVersion === undefined ? versionsOf(client, key) : [keyVersion];
  let found: VerifyOutput | null = null;
  for (const input of await readToSign(session.terminal, client, options, versions)) {
    found = await client.verify({ key, signature, keyVersion, ...input });
    if (found.valid) break;
  }
  const { valid, keyVersion: version, keyId } = found!;
  session.answer(found!, () =>
    valid ? `the signature is one of key ${keyId}, version ${version}` : `the signature is NOT one of key ${keyId}`,
  );
  return valid ? EXIT.ok : EXIT.notAuthentic;
}

/** Newest first. */
async function versionsOf(client: ClavigerClient, key: string): Promise<readonly number[]> {
  const { versions } = await client.describeKey({ key });
  return versions.map(({ version }) => version).toReversed();
}
