/**
 * Programs in Go, each built once from a folder beside this file: `goverify` verifies signatures, of Go's standard library
 * alone, `golog` audit logs, and `gowitness` is a witness of them, on the modules that their go.sum pins.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../run.ts';
import { installDebian } from './debian.ts';
import { type Peer, exists, programPath } from './peer.ts';

export interface GoPaths {
  /** Command line, for `askVerifier`. */
  readonly verifier: readonly string[];
}

export const goverify = goProgram('goverify', "signatures verified by Go's standard library");
export const golog = goProgram('golog', 'audit logs verified by transparency-dev/merkle and golang.org/x/mod/sumdb');
export const gowitness = goProgram(
  'gowitness',
  'a witness of logs (C2SP tlog-witness) on golang.org/x/mod/sumdb and transparency-dev/formats',
);

function goProgram(name: string, about: string): Peer<GoPaths> {
  const source = join(import.meta.dirname, name);
  const sources = readdirSync(source).toSorted();
  const pin = hash('sha256', sources.map((file) => readFileSync(join(source, file), 'utf8')).join('\0'));
  return {
    about,
    home: name,
    pin: `source ${pin.slice(0, 8)}`,
    install: async (folder, say) => {
      if ((await programPath('go')) === null) await installDebian(['golang-go'], say);
      say('go build');
      // GOTOOLCHAIN: nothing here needs another Go than the one that is there.
      await mustRun('go', ['build', '-trimpath', '-o', join(folder, name), '.'], {
        cwd: source,
        env: { CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off' },
      });
    },
    find: async (folder) => {
      const program = join(folder, name);
      return (await exists(program)) ? { verifier: [program] } : null;
    },
  };
}
