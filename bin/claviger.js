#!/usr/bin/env node
// Starts the command line: from src/ in a clone, from dist/ in a package. Plain JavaScript, because an older Node has to
// be able to read it and say so.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NODE_MAJOR_MIN = 26;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'src', 'cli', 'main.ts');
const entry = existsSync(source) ? source : join(root, 'dist', 'cli', 'main.js');

// What programs that we start are given, without what is for us.
const environment = { ...process.env };

// Slow cryptography, DNS and files share libuv's pool; it has to be set before its first use.
process.env['UV_THREADPOOL_SIZE'] ??= String(availableParallelism() + 3);

// What was compiled once need not be again: a command starts in half the time. In the user's own folder, for the common
// one of Node lies where others may write.
const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
if (existsSync(cache)) module.enableCompileCache?.(join(cache, 'claviger'));

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  const { main } = /** @type {{ main: (argv: string[], environment: NodeJS.ProcessEnv) => Promise<number> }} */ (
    await import(pathToFileURL(entry).href)
  );
  process.exitCode = await main(process.argv.slice(2), environment);
} else {
  const newer = bundledNode();
  if (newer === null) {
    process.stderr.write(
      `claviger needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node}; install it from https://nodejs.org\n`,
    );
    process.exitCode = 1;
  } else {
    const child = spawn(newer, process.argv.slice(1), { env: environment, stdio: 'inherit' });
    // Whoever stops this process means the one that works.
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
      process.on(signal, () => child.kill(signal));
    process.exitCode = await new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
  }
}

/** The Node that the package `node` brought, in a clone. */
function bundledNode() {
  try {
    const file = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
    return existsSync(file) ? file : null;
  } catch {
    return null;
  }
}
