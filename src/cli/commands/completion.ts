/**
 * `claviger completion`: completion for shells, generated from the tree of commands.
 *
 * @module
 */
import { Argument } from 'commander';
import { CliCommand } from '../command.ts';
import { COMPLETION_SHELLS, completionScript, type Shell } from '../completion-script.ts';

export function completionCommand(): CliCommand {
  const command = new CliCommand('completion');
  return command
    .description('Print completion for a shell')
    .addArgument(new Argument('<shell>', 'shell to complete in').choices(COMPLETION_SHELLS))
    .examples(
      'source <(claviger completion bash)',
      'claviger completion zsh > "${fpath[1]}/_claviger"',
      'claviger completion fish > ~/.config/fish/completions/claviger.fish',
    )
    .run((session, _options, shell) => {
      session.terminal.output.stream.write(completionScript(command.top(), shell as Shell));
    });
}
