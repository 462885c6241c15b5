/**
 * A command as all of ours are: it has examples, its help ends with them, and what it does gets a session.
 *
 * @module
 */
import { Command, Help, type CommandOptions } from 'commander';
import { EXIT } from './exit-codes.ts';
import { Session, type GlobalOptions } from './session.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** Commander's code where help was asked for by naming a group without a command. */
export const HELP_SHOWN = 'commander.help';

/** What a command does; the exit code where it is not 0. */
export type Handler<Options> = (
  session: Session,
  options: Options & GlobalOptions,
  ...args: string[]
) => Promise<number | void> | number | void;

export class CliCommand extends Command {
  /** Command lines that work, without the prompt. */
  exampleLines: readonly string[] = [];
  /** Set on the top command only. */
  terminal: Terminal | null = null;
  exitCode: number = EXIT.ok;

  constructor(name?: string) {
    super(name);
    // Errors are thrown and told once, in main.ts.
    this.exitOverride((error) => {
      throw error.exitCode === 0 || error.code === HELP_SHOWN ? error : new UsageError(error.message, this.path());
    })
      .configureOutput({ outputError: () => undefined })
      .configureHelp({ showGlobalOptions: true })
      .helpCommand(false)
      .allowExcessArguments(false);
  }

  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  override createHelp(): Help {
    return Object.assign(new CliHelp(), this.configureHelp());
  }

  examples(...lines: readonly string[]): this {
    this.exampleLines = lines;
    return this;
  }

  /** Adds commands below this one. */
  group(...commands: readonly CliCommand[]): this {
    for (const command of commands) this.addCommand(command);
    return this;
  }

  /** As `group`, with one command that is meant where none is named. */
  groupWithDefault(usual: CliCommand, ...others: readonly CliCommand[]): this {
    const isDefault: CommandOptions = { isDefault: true };
    this.addCommand(usual, isDefault);
    return this.group(...others);
  }

  run<Options = object>(handler: Handler<Options>): this {
    return this.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2) as string[];
      const options = this.optsWithGlobals<Options & GlobalOptions>();
      const top = this.top();
      const session = new Session(top.terminal!, options);
      top.exitCode = (await handler(session, options, ...args.flat())) ?? EXIT.ok;
    });
  }

  /** `claviger keys create`. */
  path(): string {
    return this.parent === null ? this.name() : `${(this.parent as CliCommand).path()} ${this.name()}`;
  }

  /** `claviger` itself. */
  top(): CliCommand {
    return this.parent === null ? this : (this.parent as CliCommand).top();
  }
}

class CliHelp extends Help {
  override formatHelp(command: Command, helper: Help): string {
    const help = super.formatHelp(command, helper);
    const { exampleLines } = command as CliCommand;
    if (exampleLines.length === 0) return help;
    const title = helper.styleTitle(exampleLines.length === 1 ? 'Example:' : 'Examples:');
    return `${help}\n${title}\n${exampleLines.map((line) => `  ${line}`).join('\n')}\n`;
  }
}
