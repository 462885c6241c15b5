/**
 * The tree of commands.
 *
 * @module
 */

import { VERSION } from '../server/version.ts';
import { CliCommand } from './command.ts';
import { alertsCommand } from './commands/alerts.ts';
import { aliasCommand } from './commands/alias.ts';
import { auditCommand } from './commands/audit.ts';
import { completionCommand } from './commands/completion.ts';
import { configCommand } from './commands/config.ts';
import { dataKeyCommand } from './commands/data-key.ts';
import { decapsulateCommand } from './commands/decapsulate.ts';
import { decryptCommand } from './commands/decrypt.ts';
import { deriveCommand } from './commands/derive.ts';
import { devCommand } from './commands/dev.ts';
import { doctorCommand } from './commands/doctor.ts';
import { editCommand } from './commands/edit.ts';
import { encapsulateCommand } from './commands/encapsulate.ts';
import { encryptCommand } from './commands/encrypt.ts';
import { execCommand } from './commands/exec.ts';
import { fieldsCommand } from './commands/fields.ts';
import { helpCommand } from './commands/help.ts';
import { hsmCommand } from './commands/hsm.ts';
import { inspectCommand } from './commands/inspect.ts';
import { keysCommand } from './commands/keys.ts';
import { loginCommand } from './commands/login.ts';
import { logoutCommand } from './commands/logout.ts';
import { macCommand } from './commands/mac.ts';
import { policyCommand } from './commands/policy.ts';
import { providersCommand } from './commands/providers.ts';
import { randomCommand } from './commands/random.ts';
import { reEncryptCommand } from './commands/re-encrypt.ts';
import { rewrapCommand } from './commands/rewrap.ts';
import { sealCommand } from './commands/seal.ts';
import { serveCommand } from './commands/serve.ts';
import { signCommand } from './commands/sign.ts';
import { tenantCommand } from './commands/tenant.ts';
import { tokenCommand } from './commands/token.ts';
import { topCommand } from './commands/top.ts';
import { unsealCommand } from './commands/unseal.ts';
import { verifyCommand } from './commands/verify.ts';
import type { Terminal } from './terminal.ts';

/** Every command, under headings as help shows them. */
const GROUPS: readonly (readonly [heading: string, commands: readonly (() => CliCommand)[]])[] = [
  ['Server:', [devCommand, serveCommand, configCommand, doctorCommand, providersCommand, hsmCommand, topCommand]],
  ['Keys:', [keysCommand, aliasCommand]],
  [
    'Cryptography:',
    [
      encryptCommand,
      decryptCommand,
      reEncryptCommand,
      rewrapCommand,
      fieldsCommand,
      dataKeyCommand,
      signCommand,
      verifyCommand,
      macCommand,
      deriveCommand,
      encapsulateCommand,
      decapsulateCommand,
      randomCommand,
    ],
  ],
  ['Files and configuration:', [inspectCommand, sealCommand, unsealCommand, editCommand, execCommand]],
  ['Who may do what:', [tokenCommand, policyCommand, auditCommand, alertsCommand, tenantCommand]],
  ['This program:', [loginCommand, logoutCommand, completionCommand, helpCommand]],
];

export function createProgram(terminal: Terminal): CliCommand {
  const program = new CliCommand('claviger')
    .description('Keys that never leave: encrypt, sign and manage keys of a Claviger server')
    .option('--json', 'print what the API answers, as JSON')
    .option('--profile <name>', 'use a profile of `claviger login`; `dev` is the development server of this folder')
    .option('--endpoint <url>', 'server to use, such as https://kms.example.com:8550')
    .version(VERSION, '-V, --version', 'print the version')
    .examples('claviger dev', "echo 'attack at dawn' | claviger encrypt --key alias:my-first-key -o message.enc");
  program.terminal = terminal;
  program.configureHelp({
    ...program.configureHelp(),
    styleTitle: (title) => terminal.styled('bold', title),
  });
  for (const [heading, commands] of GROUPS) {
    for (const make of commands) program.addCommand(make().helpGroup(heading));
  }
  return program;
}
