import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { CliCommand } from '../../src/cli/command.ts';
import { COMPLETION_SHELLS } from '../../src/cli/completion-script.ts';
import { EXIT_MEANINGS, exitCodeOf } from '../../src/cli/exit-codes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { processTerminal } from '../../src/cli/terminal.ts';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';
import { programPath } from '../../tools/peers/peer.ts';
import { BINARY, runShell, startCliWorld, type CliWorld } from '../support/cli.ts';

const CLAVIGER = `'${process.execPath}' '${BINARY}'`;

let world: CliWorld;
let env: Record<string, string>;
before(async () => {
  world = await startCliWorld();
  env = { CLAVIGER_ENDPOINT: world.server.endpoint, CLAVIGER_TOKEN: world.server.token };
});
after(() => world.stop());

/** Every command of the tree, the top one first. */
function tree(command: CliCommand): readonly CliCommand[] {
  return [command, ...(command.commands as readonly CliCommand[]).flatMap(tree)];
}

describe('help', { concurrency: 2 }, () => {
  const commands = tree(createProgram(processTerminal()));

  test('every command has a description and an example that is a command line of it', () => {
    assert.ok(commands.length > 60);
    for (const command of commands) {
      const path = command.path();
      assert.notEqual(command.description(), '', path);
      const help = command.helpInformation();
      assert.match(help, /\nExamples?:\n {2}\S/, path);
      // `data-key generate` is written without its last word.
      const shown = [path, path.replace(/ generate$/, '')].some((words) =>
        command.exampleLines.some((line) => line.includes(words)),
      );
      assert.ok(shown, path);
    }
  });

  test('every example names commands and options that there are', () => {
    for (const line of commands.flatMap(({ exampleLines }) => exampleLines)) {
      for (const [, words] of line.matchAll(/claviger ([^|)#]*)/g)) {
        let command = commands[0]!;
        for (const word of words!.split(/\s+/)) {
          command = (command.commands as readonly CliCommand[]).find((one) => one.name() === word) ?? command;
        }
        const known = [
          ...command.options,
          ...command.commands.flatMap(({ options }) => options),
          ...commands[0]!.options,
        ];
        for (const [flag] of words!.matchAll(/(?<=\s)--?[a-z][a-z0-9-]*/g)) {
          assert.ok(
            known.some(({ short, long }) => flag === short || flag === long),
            `${line}: ${flag}`,
          );
        }
      }
    }
  });

  test('the guide names every command and every exit code', () => {
    const guide = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'guides', 'command-line.md'), 'utf8');
    for (const command of commands.slice(1)) {
      if (command.commands.length > 0 || command.path() === 'claviger data-key generate') continue;
      assert.match(guide, new RegExp(`\\b${command.name()}\``), command.path());
    }
    for (const [code, meaning] of EXIT_MEANINGS) assert.ok(guide.includes(`| ${code} | ${meaning} |`), meaning);
  });

  test('help is shown for a command, a group and a topic', async () => {
    assert.match(await world.ok(['help', 'keys', 'create']), /^Usage: claviger keys create/);
    assert.match(await world.ok(['keys', 'rotation', 'set', '--help']), /--days <n>[^]*Example:/);
    const codes = await world.ok(['help', 'exit-codes']);
    for (const [code, meaning] of EXIT_MEANINGS) assert.match(codes, new RegExp(`^${code} +${meaning}$`, 'm'));
    assert.match(await world.ok(['help', 'environment']), /CLAVIGER_ENDPOINT/);
    await world.refused(2, /there is no command `claviger keys fly`/, ['help', 'keys', 'fly']);
  });

  test('the version is that of the package', async () => {
    assert.match(await world.ok(['--version']), /^\d+\.\d+\.\d+/);
  });
});

describe('wrong usage is exit code 2, and says what is right', { concurrency: 2 }, () => {
  const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [[], /Usage: claviger/],
    [['keys'], /Usage: claviger keys/],
    [['key'], /unknown command 'key'\n.*Did you mean keys\?[^]*claviger --help/],
    [['keys', 'list', '--limt', '3'], /unknown option '--limt'\n.*--limit[^]*`claviger keys list --help`/],
    [['encrypt'], /required option '--key <key>' not specified/],
    [['keys', 'create', '--spec', 'DES'], /Allowed choices are AES-256-GCM, RSA-2048/],
    [['keys', 'describe'], /missing required argument 'key'/],
    [['keys', 'describe', 'a', 'b'], /too many arguments/],
    [['random', '8', '--hex', '--raw'], /cannot be used with option '--raw'/],
    [['encrypt', '--key', 'k', '--in', 'a', '-o', 'b'], /--in and --out do not go together with -i and -o/],
    [['encrypt', '--key', 'k', '--key', 'l', '-i', 'a'], /a blob is of one key/],
    [['encrypt', '--key', 'k', '--in', 'a', '--json'], /name the file with --out/],
    [['encrypt', '--key', 'k', '--context', 'a'], /must be NAME=VALUE/],
    [['encrypt', '--key', 'k', '--context', 'a=1', 'a=2'], /`a` is given twice/],
  ];
  for (const [args, message] of cases) {
    test(`claviger ${args.join(' ')}`, async () => {
      const { stdout } = await world.refused(2, message, args);
      assert.equal(stdout, '');
    });
  }
});

describe('errors', { concurrency: 2 }, () => {
  test('every error code has an exit code that the table explains, and none is 0 or 2', () => {
    const known: readonly number[] = EXIT_MEANINGS.map(([code]) => code);
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      assert.ok(known.includes(exitCodeOf(code)), code);
      assert.ok(![0, 2].includes(exitCodeOf(code)), code);
    }
  });

  test('with --json an error is JSON too', async () => {
    const { stderr, code } = await world.run(['keys', 'describe', 'alias:nobody', '--json']);
    const { error } = JSON.parse(stderr);
    assert.equal(code, 4);
    assert.equal(error.code, 'KEY_NOT_FOUND');
    assert.match(error.requestId, /^[0-9a-f-]{36}$/);
    assert.equal(JSON.parse((await world.run(['--json', 'keys', 'lost'])).stderr).error.code, 'USAGE');
  });

  test('a file that cannot be read or written is told by its name', async () => {
    const folder = world.folder;
    await world.refused(1, /cannot read `nothing`: there is no such file/, ['encrypt', '--key', 'k', '-i', 'nothing']);
    await world.refused(1, /cannot read `.*`: it is a folder/, ['encrypt', '--key', 'k', '-i', folder]);
    const nowhere = join(folder, 'no', 'where');
    await world.refused(1, /cannot write `.*where`: there is no such file/, ['random', '8', '-o', nowhere]);
    writeFileSync(join(folder, 'broken.pem'), '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
    await world.refused(1, /is PEM, but no public key/, ['derive', '--key', 'k', '--public-key', 'broken.pem']);
    await world.refused(1, /more than 65536 bytes/, ['decrypt', '--key', 'k'], { input: Buffer.alloc(70_000) });
  });
});

describe('streams', { concurrency: 2 }, () => {
  test('a reader that has seen enough is no error', async () => {
    for (let made = 0; made < 30; made += 1) await world.server.client.generateRandom({ bytes: 1 });
    const line = `set -o pipefail; ${CLAVIGER} audit list --all --limit 1 --json | head -n 1`;
    const { code, stderr, stdout } = await runShell(line, { env });
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    assert.equal(stdout.split('\n').length, 2);
  });

  test('colours are for terminals, and NO_COLOR is respected there', async (t) => {
    const script = await programPath('script');
    if (script === null) return t.skip('the program `script` is not there');
    const inTerminal = (command: string): string => `script -qec "${command}" /dev/null < /dev/null`;
    const doctor = `${CLAVIGER} doctor`;
    const [piped, shown, plain] = await Promise.all([
      runShell(doctor, { env, cwd: world.folder }),
      runShell(inTerminal(doctor), { env: { ...env, TERM: 'xterm' }, cwd: world.folder }),
      runShell(inTerminal(doctor), { env: { ...env, TERM: 'xterm', NO_COLOR: '1' }, cwd: world.folder }),
    ]);
    assert.equal(piped.stdout, stripVTControlCharacters(piped.stdout));
    assert.notEqual(shown.stdout, stripVTControlCharacters(shown.stdout));
    assert.equal(plain.stdout, stripVTControlCharacters(plain.stdout));
    assert.match(shown.stdout, /health/);
  });

  test('on a terminal bytes are shown as base64, and a token is asked for without an echo', async (t) => {
    if ((await programPath('script')) === null) return t.skip('the program `script` is not there');
    const shown = await runShell(`script -qec "${CLAVIGER} random 12" /dev/null < /dev/null`, { env });
    assert.match(shown.stdout, /^[A-Za-z0-9+/]{16}\r?\n$/);
    const login = `${CLAVIGER} login --endpoint ${world.server.endpoint}`;
    // The token is typed once it is asked for.
    const typed = await runShell(
      `(sleep 2; printf '%s\\r' "$CLAVIGER_TOKEN"; sleep 3) | script -qec "${login}" /dev/null`,
      {
        env,
        cwd: world.folder,
      },
    );
    assert.match(typed.stdout, /Token for http:[^]*logged in to/);
    assert.ok(!typed.stdout.includes(world.server.token), 'the token is not shown');
  });
});

describe('completion', { concurrency: 2 }, () => {
  for (const shell of COMPLETION_SHELLS) {
    test(`the script for ${shell} is in order`, async () => {
      const script = await world.ok(['completion', shell]);
      const file = join(world.folder, `completion.${shell}`);
      writeFileSync(file, script);
      assert.match(script, /schedule-deletion/);
      const program = await programPath(shell);
      // What a machine does not have cannot be asked; bash is everywhere.
      if (program === null) return assert.notEqual(shell, 'bash');
      const { code, stderr } = await runShell(`${program} -n '${file}'`);
      assert.equal(code, 0, stderr);
    });
  }

  test('bash completes commands, options, and the values of an option', async () => {
    const file = join(world.folder, 'claviger.bash');
    writeFileSync(file, await world.ok(['completion', 'bash']));
    const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
      const quoted = words.map((word) => `'${word}'`).join(' ');
      const line = `source '${file}'; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _claviger; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return (await runShell(line, { cwd: world.folder })).stdout.trim().split('\n');
    };
    assert.deepEqual(await complete('claviger', 'key'), ['keys']);
    assert.deepEqual(await complete('claviger', 'keys', 'sche'), ['schedule-deletion']);
    assert.deepEqual(await complete('claviger', '--json', 'keys', 'rotation', ''), [
      'set',
      'off',
      '--json',
      '--profile',
      '--endpoint',
      '--version',
    ]);
    assert.deepEqual(await complete('claviger', 'keys', 'create', '--spec', 'ML-KEM-'), [
      'ML-KEM-512',
      'ML-KEM-768',
      'ML-KEM-1024',
    ]);
    assert.deepEqual(await complete('claviger', 'keys', 'create', '--qui'), ['--quiet']);
    assert.deepEqual(await complete('claviger', 'encrypt', '-i', 'claviger.b'), ['claviger.bash']);
    assert.deepEqual(await complete('claviger', 'completion', 'z'), ['zsh']);
    assert.deepEqual(await complete('claviger', 'unseal', 'claviger.b'), ['claviger.bash']);
    assert.deepEqual(await complete('claviger', 'random', 'claviger.b'), ['']);
  });
});
