/**
 * Installs packages of the machine's Debian, where the machine lets us.
 *
 * @module
 */
import { mustRun } from '../run.ts';
import { type Say, programPath } from './peer.ts';

/** @throws Error that names the command to run, where this process may not install packages or there is no `apt-get` */
export async function installDebian(packages: readonly string[], say: Say): Promise<void> {
  const command = `apt-get install ${packages.join(' ')}`;
  if ((await programPath('apt-get')) === null)
    throw new Error(`needs the packages ${packages.join(', ')}; install them by hand`);
  if (process.getuid?.() !== 0) throw new Error(`needs packages of the machine; run \`${command}\` as root`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  say('apt-get update');
  await mustRun('apt-get', ['update', '-q'], { env });
  say(command);
  await mustRun('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { env });
}
