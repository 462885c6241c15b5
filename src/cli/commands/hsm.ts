/**
 * `claviger hsm`: tokens behind a PKCS#11 library, made, accepted and measured on the machine that they are at.
 *
 * No server takes part: these commands load the library in processes of their own.
 *
 * @module
 */
import { CliCommand } from '../command.ts';
import { benchCommand } from './hsm/bench.ts';
import { initCommand } from './hsm/init.ts';
import { setPinCommand } from './hsm/set-pin.ts';
import { testCommand } from './hsm/test.ts';

export function hsmCommand(): CliCommand {
  return new CliCommand('hsm')
    .description('Make, accept and measure a token behind a PKCS#11 library, without a server')
    .examples(
      'claviger hsm init --token prod --so-pin-file so-pin --pin-file pin',
      'claviger hsm test --config claviger.yaml --provider hsm-1',
    )
    .group(initCommand(), setPinCommand(), testCommand(), benchCommand());
}
