/**
 * `claviger mac`: HMACs, made and verified.
 *
 * @module
 */
import { Option } from 'commander';
import { MAC_ALGORITHMS, type MacAlgorithmName } from '../../model/algorithm.ts';
import { INPUT_BYTES_MAX } from '../../operations/crypto-input.ts';
import { KEY_HELP, keyVersionOption } from '../arguments.ts';
import { CliCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { rawOrBase64, readInput } from '../input.ts';
import { requireOneStdin } from '../one-stdin.ts';
import { withOutput, writeResult, type OutputOptions } from '../output.ts';
import type { Session } from '../session.ts';

interface MacOptions {
  readonly key: string;
  readonly algorithm?: MacAlgorithmName;
  readonly input?: string;
}

interface VerifyOptions extends MacOptions {
  readonly mac: string;
  readonly keyVersion?: number;
}

const TOO_LONG = 'make the MAC of its hash: openssl dgst -sha256 -binary FILE | claviger mac generate …';

export function macCommand(): CliCommand {
  return new CliCommand('mac')
    .description('Make and verify message authentication codes (HMAC)')
    .examples('claviger mac generate --key alias:webhooks -i body.json --hex')
    .group(generateCommand(), verifyCommand());
}

function generateCommand(): CliCommand {
  const command = withMessage(new CliCommand('generate').description('Make the MAC of up to 4,096 bytes'));
  return withOutput(command, 'the MAC')
    .examples('claviger mac generate --key alias:webhooks -i body.json -o body.mac')
    .run<MacOptions & OutputOptions>(async (session, options) => {
      const { key, algorithm, input } = options;
      const client = session.client();
      const message = await readInput(session.terminal, input, INPUT_BYTES_MAX, TOO_LONG);
      const made = await client.generateMac({ key, message, algorithm });
      writeResult(session, made, made.mac, options);
    });
}

function verifyCommand(): CliCommand {
  return withMessage(new CliCommand('verify').description('Verify a MAC; the exit code is 3 where it does not verify'))
    .requiredOption('--mac <file>', 'MAC, as bytes or base64')
    .addOption(keyVersionOption('version that made it; every usable one is tried where it is not given'))
    .examples('claviger mac verify --key alias:webhooks -i body.json --mac body.mac')
    .run<VerifyOptions>(verify);
}

async function verify(session: Session, options: VerifyOptions): Promise<number> {
  const { key, algorithm, keyVersion, input } = options;
  requireOneStdin(input, options.mac);
  const client = session.client();
  const mac = rawOrBase64(await readInput(session.terminal, options.mac));
  const message = await readInput(session.terminal, input, INPUT_BYTES_MAX, TOO_LONG);
  const found = await client.verifyMac({ key, message, mac, algorithm, keyVersion });
  session.answer(found, () =>
    found.valid
      ? `the MAC is one of key ${found.keyId}, version ${found.keyVersion}`
      : `the MAC is NOT one of key ${found.keyId}`,
  );
  return found.valid ? EXIT.ok : EXIT.notAuthentic;
}

function withMessage(command: CliCommand): CliCommand {
  return command
    .requiredOption('--key <key>', KEY_HELP)
    .addOption(
      new Option('--algorithm <algorithm>', 'the one of the key where it is not given').choices(
        Object.keys(MAC_ALGORITHMS),
      ),
    )
    .option('-i, --input <file>', 'message; standard input where it is not given');
}
