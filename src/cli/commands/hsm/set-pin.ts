/**
 * `claviger hsm set-pin`: changes the PIN of the user or of the security officer.
 *
 * @module
 */
import { Ceremonies, PROFILES } from '../../../providers/pkcs11/index.ts';
import { CliCommand } from '../../command.ts';
import type { Session } from '../../session.ts';
import { UsageError } from '../../usage-error.ts';
import { libraryOf, readPin, withLibrary, type DeviceOptions } from './device.ts';

interface SetPinOptions extends DeviceOptions {
  readonly newPinFile?: string;
  readonly so?: boolean;
}

export function setPinCommand(): CliCommand {
  const command = new CliCommand('set-pin')
    .description('Change the PIN of a token’s user; one attempt is made with the old one')
    .requiredOption('--token <label>', 'label of the token')
    .option('--serial <number>', 'its serial number, where several have the label')
    .option('--pin-file <file>', 'file with the present PIN')
    .option('--new-pin-file <file>', 'file with the new PIN')
    .option('--so', 'change the PIN of the security officer instead');
  return withLibrary(command)
    .examples('claviger hsm set-pin --token prod --pin-file pin --new-pin-file new-pin')
    .run<SetPinOptions>(setPin);
}

async function setPin(session: Session, options: SetPinOptions): Promise<void> {
  const { terminal } = session;
  const { token, serial = null, vendor, env = {}, so = false } = options;
  const who = so ? 'security officer' : 'user';
  const old = await readPin(terminal, options.pinFile, `Present PIN of the ${who}: `);
  const next = await readPin(terminal, options.newPinFile, `New PIN of the ${who}: `);
  if (old === next) throw new UsageError('the new PIN is the present one', 'claviger hsm set-pin');
  const ceremonies = new Ceremonies(libraryOf(terminal, options), { ...PROFILES[vendor].env, ...env });
  await ceremonies.setPin(token!, serial, so ? 'so' : 'user', { old, next });
  session.answer({ token, user: who, changed: true }, () => `the PIN of the ${who} of \`${token}\` is changed`);
}
