/**
 * `claviger hsm init`: makes an empty token, its PINs and its canary.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import { Ceremonies, PROFILES, type ProfileName } from '../../../providers/pkcs11/index.ts';
import { CliCommand } from '../../command.ts';
import type { Session } from '../../session.ts';
import { record } from '../../table.ts';
import { deviceOf, libraryOf, openDevice, readPin, withLibrary } from './device.ts';

interface InitOptions {
  readonly token: string;
  readonly library?: string;
  readonly vendor: ProfileName;
  readonly env?: Readonly<Record<string, string>>;
  readonly soPinFile?: string;
  readonly pinFile?: string;
  readonly erase?: string;
}

export function initCommand(): CliCommand {
  const command = new CliCommand('init')
    .description(
      'Initialise a token: a security officer, a user, and a canary key; PINs come from files or are asked for',
    )
    .requiredOption('--token <label>', 'label of the new token, at most 32 characters')
    .option('--so-pin-file <file>', 'file with the PIN of the security officer')
    .option('--pin-file <file>', 'file with the PIN of the user')
    .option(
      '--erase <serial>',
      'erase the token with this serial number and everything on it, and make the new one there',
    );
  return withLibrary(command)
    .examples(
      'claviger hsm init --token prod --so-pin-file so-pin --pin-file pin',
      'claviger hsm init --token prod --library /usr/lib/softhsm/libsofthsm2.so --env SOFTHSM2_CONF=./softhsm2.conf --so-pin-file so-pin --pin-file pin',
    )
    .run<InitOptions>(init);
}

async function init(session: Session, options: InitOptions): Promise<void> {
  const { terminal } = session;
  const { token, vendor, env = {} } = options;
  const { soRole, quorum, title } = PROFILES[vendor];
  if (soRole === null) {
    throw new ClavigerError('UNSUPPORTED', `tokens of ${title} are made with the vendor’s own tool, not by PKCS#11`);
  }
  if (quorum) terminal.say(`${title} may ask several people for their cards or keys; do so at the device`);
  const soPin = await readPin(terminal, options.soPinFile, `New PIN of the ${soRole}: `);
  const pin = await readPin(terminal, options.pinFile, 'New PIN of the user: ');
  const ceremonies = new Ceremonies(libraryOf(terminal, options), { ...PROFILES[vendor].env, ...env });
  const made = await ceremonies.init(token, options.erase ?? null, soPin, pin);
  terminal.say(`initialised token \`${token}\`, serial number ${made.serial}`);
  const config = await deviceOf(terminal, { ...options, serial: made.serial }, pin);
  const provider = await openDevice(terminal, config);
  try {
    const canary = provider.canaryFingerprint;
    session.answer({ token, serial: made.serial, model: made.model, canaryFingerprint: canary }, () =>
      [
        record([
          ['token', token],
          ['serial', made.serial],
          ['model', made.model],
          ['canary', canary],
        ]),
        '',
        'in claviger.yaml:',
        '  providers:',
        `    - { name: hsm-1, kind: pkcs11, profile: ${vendor}, library: ${config.library}, tokenLabel: ${JSON.stringify(token)},`,
        `        tokenSerial: ${JSON.stringify(made.serial)}, pin: "file:./pin", canary: { fingerprint: ${canary} } }`,
      ].join('\n'),
    );
  } finally {
    await provider.close();
  }
}
