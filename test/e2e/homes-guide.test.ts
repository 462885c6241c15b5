/** Every command of docs/guides/homes.md, typed in its order; what it shows must be what the guide shows. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, toolPath } from '../../tools/run.ts';
import { BINARY, runShell, startCli, type RunningCli } from '../support/cli.ts';
import { freePort } from '../support/receiver.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const GUIDE = join(ROOT, 'docs/guides/homes.md');
/** Longer than an open circuit of the guide is left alone. */
const CIRCUIT_MS = 4000;
const SERVER_MS = 300_000;

const folder = testFolder();
const servers = new Map<string, RunningCli>();
/** Command line → how it was started, for one that is started again. */
const starts = new Map<string, string>();
const ports = new Map<string, number>();

before(async () => {
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'claviger'), `#!/bin/sh\nexec "${process.execPath}" "${BINARY}" "$@"\n`);
  await chmod(join(folder, 'bin', 'claviger'), 0o755);
  for (const port of ['8550', '8561', '8562']) ports.set(port, await freePort());
});
after(async () => {
  for (const server of servers.values()) await server.stop();
  removeFolder(folder);
});

/** The ports of the guide as they are here. */
function here(text: string): string {
  return text.replaceAll(/\b(8550|8561|8562)\b/g, (port) => String(ports.get(port)));
}

const env = { PATH: [join(folder, 'bin'), toolPath()].join(delimiter), HOME: folder };

/** Starts what stands in a block of `sh`: lines of `VARIABLE=… claviger dev …`. */
async function start(line: string): Promise<void> {
  const [, variables = '', args = ''] = /^((?:\w+=\S+ )*)claviger (.*)$/.exec(here(line)) ?? [];
  const set = Object.fromEntries(
    variables
      .trim()
      .split(' ')
      .filter(Boolean)
      .map((pair) => pair.split('=') as [string, string]),
  );
  const name = set['CLAVIGER_DATA_DIR'] ?? 'main';
  starts.set(name, line);
  const own = name === 'main' ? { CLAVIGER_PORT: String(ports.get('8550')) } : {};
  const server = startCli(args.split(' '), { cwd: folder, env: { ...env, ...own, ...set }, timeMs: SERVER_MS });
  servers.set(name, server);
  await server.shown('Ctrl-C');
}

async function stop(name: string): Promise<void> {
  await servers.get(name)!.stop('SIGINT');
}

/** What an expectation of the guide matches: ids, times and figures are others each time, `…` is anything. */
function pattern(shown: string): RegExp {
  const lines = shown
    .trimEnd()
    .split('\n')
    .map((line) => {
      if (line === '…') return '(?:.*\\n)*?';
      const parts = line.split('…').map((part) =>
        plainly(part)
          .split('\u0000')
          .map((text) => RegExp.escape(text).replaceAll(/(?:\\x20| )+/g, ' +'))
          .join('\\S+'),
      );
      return `${parts.join('.*')} *\\n`;
    });
  return new RegExp(`^${lines.join('')}$`);
}

/** With one sign for each thing that is another each time. */
function plainly(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '\u0000')
    .replaceAll(/\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}/g, '\u0000 \u0000')
    .replaceAll(/^[\w-]{43}$/g, '\u0000')
    .replaceAll(/\b\d{12}\b/g, '\u0000')
    .replaceAll(/\d+\.\d+ \/ \d+\.\d+ +\d+ +\d+ +\d+/g, '\u0000 / \u0000 \u0000 \u0000 \u0000');
}

/** Runs the commands of a block of `console`, in one shell, and holds each against what is shown below it. */
async function type(block: string, variables: Map<string, string>): Promise<void> {
  for (const [, command, shown] of block.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
    const assigned = /^([A-Z]+)=\$\(/.exec(command!)?.[1];
    const before = [...variables].map(([name, value]) => `${name}='${value}'; `).join('');
    const line = assigned === undefined ? command! : `${command!}; printf %s "$${assigned}"`;
    const { stdout, stderr } = await runShell(`${before}${here(line)}`, { cwd: folder, env });
    if (assigned !== undefined) variables.set(assigned, stdout);
    const output = assigned === undefined ? `${stdout}${stderr}` : stderr;
    assert.match(
      output.endsWith('\n') || output === '' ? output : `${output}\n`,
      shown === '' ? /^$/ : pattern(shown!),
      command!,
    );
  }
}

test('every command of the guide runs, and shows what it says', async () => {
  const guide = await readFile(GUIDE, 'utf8');
  const variables = new Map<string, string>();
  let typed = 0;
  const steps = /^```(sh|console|yaml)\n(.*?)^```$|^<!-- (stop|start) (\w+) -->$/gms;
  for (const [, language, text, verb, name] of guide.matchAll(steps)) {
    if (verb === 'stop') await stop(name!);
    if (verb === 'start') {
      await start(starts.get(name!)!);
      await sleep(CIRCUIT_MS);
    }
    if (language === 'yaml' && text!.startsWith('# claviger.yaml'))
      await writeFile(join(folder, 'claviger.yaml'), here(text!));
    if (language === 'sh') for (const line of text!.trim().split('\n')) await start(line);
    if (language === 'console') {
      await type(text!, variables);
      typed += 1;
    }
  }
  assert.ok(typed >= 12, String(typed));
});
