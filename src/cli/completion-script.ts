/**
 * Completion scripts for bash, zsh and fish, from the tree of commands: its words, their options, and the values that an
 * option allows. Options that take a file are completed with files.
 *
 * @module
 */
import type { Option } from 'commander';
import type { CliCommand } from './command.ts';

export const COMPLETION_SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof COMPLETION_SHELLS)[number];

interface Node {
  /** Names of the commands on the way, without `claviger`. */
  readonly path: readonly string[];
  readonly commands: readonly CliCommand[];
  readonly options: readonly Option[];
  /** Values that the first argument allows. */
  readonly values: readonly string[];
  /** Whether arguments are files. */
  readonly files: boolean;
}

const SCRIPTS: Readonly<Record<Shell, (nodes: readonly Node[]) => string>> = { bash, zsh, fish };

export function completionScript(program: CliCommand, shell: Shell): string {
  return SCRIPTS[shell](nodesOf(program, [], program.options));
}

function nodesOf(command: CliCommand, path: readonly string[], common: readonly Option[]): readonly Node[] {
  const commands = command.commands as readonly CliCommand[];
  const options = [...new Set([...command.options, ...common])].filter(({ hidden }) => !hidden);
  const argument = command.registeredArguments[0];
  const values = argument?.argChoices ?? [];
  const files = /^files?$/.test(argument?.name() ?? '');
  return [
    { path, commands, options, values, files },
    ...commands.flatMap((one) => nodesOf(one, [...path, one.name()], common)),
  ];
}

function bash(nodes: readonly Node[]): string {
  const words = nodes.map(
    (node) => `    '${node.path.join(' ')}') words='${wordsOf(node).join(' ')}'${node.files ? ' files=1' : ''} ;;`,
  );
  const values = choices(nodes).map(
    ([flag, choices]) => `    ${flag}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current")); return ;;`,
  );
  return `# bash completion of claviger; load it with: source <(claviger completion bash)
_claviger() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path='' word words files=''
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${pathsOf(nodes).join(' ')} " in
      *" \${path:+\${path// //}/}$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$before" in
${values.join('\n')}
    ${fileFlags(nodes).join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -n "$files" && "$current" != -* ]]; then COMPREPLY+=($(compgen -f -- "$current")); fi
}
complete -F _claviger claviger
`;
}

function zsh(nodes: readonly Node[]): string {
  const cases = nodes.map(({ path, commands, options, values, files }) => {
    const described = [
      ...commands.map((command) => entry(command.name(), command.description())),
      ...values.map((value) => entry(value, '')),
    ];
    const flags = options.flatMap(({ long, description }) => (long === undefined ? [] : [entry(long, description)]));
    return `    '${path.join(' ')}') commands=(${described.join(' ')}); options=(${flags.join(' ')})${files ? ' files=1' : ''} ;;`;
  });
  const values = choices(nodes).map(([flag, choices]) => `    ${flag}) compadd -- ${choices.join(' ')}; return ;;`);
  return `#compdef claviger
# zsh completion of claviger; keep it as _claviger in a folder of $fpath
_claviger() {
  local -a commands options
  local path_='' word files=''
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case " ${pathsOf(nodes).join(' ')} " in
      *" \${path_:+\${path_// //}/}$word "*) path_="\${path_:+$path_ }$word" ;;
    esac
  done
  case "\${words[CURRENT-1]}" in
${values.join('\n')}
    ${fileFlags(nodes).join('|')}) _files; return ;;
  esac
  case "$path_" in
${cases.join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe 'option' options
  elif [[ -n "$files" ]]; then
    _files
  else
    _describe 'command' commands
  fi
}
if [[ "\${funcstack[1]}" == _claviger ]]; then
  _claviger "$@"
else
  compdef _claviger claviger
fi
`;
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options, values, files }) => {
    const at = `-n "__claviger_at '${path.join(' ')}'"`;
    return [
      ...commands.map(
        (command) => `complete -c claviger ${at} -a ${command.name()} -d ${fishQuoted(command.description())}`,
      ),
      ...values.map((value) => `complete -c claviger ${at} -a ${value}`),
      ...(files ? [`complete -c claviger ${at} -F`] : []),
      ...options.map(
        (option) => `complete -c claviger ${at} ${fishFlags(option)} -d ${fishQuoted(option.description)}`,
      ),
    ];
  });
  return `# fish completion of claviger; keep it as ~/.config/fish/completions/claviger.fish
function __claviger_at
  set -l path
  for word in (commandline -opc)[2..]
    if contains -- (string join -- / $path $word) ${pathsOf(nodes).join(' ')}
      set path $path $word
    end
  end
  test "$path" = "$argv[1]"
end
complete -c claviger -f
${lines.join('\n')}
`;
}

function fishFlags({ long, short, argChoices, required, optional, flags }: Option): string {
  const names = [
    ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
  ];
  if (argChoices !== undefined) names.push(`-x -a ${fishQuoted(argChoices.join(' '))}`);
  else if (isFile(flags)) names.push('-r -F');
  else if (required || optional) names.push('-x');
  return names.join(' ');
}

function wordsOf({ commands, options, values }: Node): readonly string[] {
  return [
    ...commands.map((command) => command.name()),
    ...values,
    ...options.flatMap(({ long }) => (long === undefined ? [] : [long])),
  ];
}

/** `keys`, `keys/create`, …: the paths that a word can go on with. */
function pathsOf(nodes: readonly Node[]): readonly string[] {
  return nodes.flatMap(({ path }) => (path.length === 0 ? [] : [path.join('/')]));
}

/** Options with a closed set of values, all values of an option's name together. */
function choices(nodes: readonly Node[]): readonly (readonly [flag: string, values: readonly string[]])[] {
  const found = new Map<string, Set<string>>();
  for (const { long, argChoices } of nodes.flatMap(({ options }) => options)) {
    if (long === undefined || argChoices === undefined) continue;
    found.set(long, new Set([...(found.get(long) ?? []), ...argChoices]));
  }
  return [...found].map(([flag, values]) => [flag, [...values]]);
}

function fileFlags(nodes: readonly Node[]): readonly string[] {
  const flags = nodes
    .flatMap(({ options }) => options)
    .filter((option) => isFile(option.flags))
    .flatMap(({ long, short }) => [long, short])
    .filter((flag) => flag !== undefined);
  return [...new Set(flags)];
}

function isFile(flags: string): boolean {
  return flags.includes('<file>');
}

/** fish knows only `\\'` and `\\\\` within quotes. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** `'name:what it is'`, as `_describe` wants it. */
function entry(name: string, description: string): string {
  return quoted(`${name}:${description.replaceAll(':', '\\:')}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
