/**
 * Installs peers into the cache, each at most once: what is there with its pin stays.
 *
 * Several test runs may start at once; a lock file beside a peer's home lets one of them install while the others wait.
 *
 * @module
 */
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { duration } from '../run.ts';
import { PEERS, PEER_NAMES, type PeerName, type PeerPaths } from './index.ts';
import { type Peer, type Say, findPeer, homeOf, markerOf, peersFolder } from './peer.ts';

/** Longer than any installation; a lock that is older belongs to a process that hangs. */
const LOCK_WAIT_MS_MAX = 30 * 60 * 1000;
const LOCK_POLL_MS = 500;

/** Installs the peers and gives the names of those that could not be had; the reason is printed. */
export async function installPeers(print: Say, names: readonly PeerName[] = PEER_NAMES): Promise<readonly PeerName[]> {
  print(`peers in ${peersFolder()}`);
  const missing: PeerName[] = [];
  for (const name of names) {
    const peer: Peer<object> = PEERS[name];
    const startMs = performance.now();
    try {
      const fresh = await installPeer(peer, (line) => print(`        ${name}: ${line}`));
      const time = fresh ? `installed in ${duration(performance.now() - startMs)}` : 'there already';
      print(`ok      ${name}  ${peer.pin ?? 'as on this machine'}  ${time}`);
    } catch (error) {
      missing.push(name);
      print(`MISSING ${name} (${peer.about}): ${(error as Error).message}`);
    }
  }
  return missing;
}

/**
 * The paths of one peer, which is installed where it is not there.
 *
 * @throws Error that says why it cannot be had
 */
export async function havePeer<Name extends PeerName>(name: Name, say: Say): Promise<PeerPaths[Name]> {
  const peer: Peer<PeerPaths[Name]> = PEERS[name];
  await installPeer(peer, (line) => say(`${name}: ${line}`));
  const paths = await findPeer(peer);
  if (paths === null) throw new Error(`the peer \`${name}\` was removed while it was installed`);
  return paths;
}

/** Gives true where it had to be installed, false where it was there. */
async function installPeer(peer: Peer<object>, say: Say): Promise<boolean> {
  if ((await findPeer(peer)) !== null) return false;
  await mkdir(peersFolder(), { recursive: true });
  const lock = await takeLock(`${homeOf(peer)}.lock`, say);
  try {
    // Another process may have installed it while this one waited.
    if ((await findPeer(peer)) !== null) return false;
    const folder = homeOf(peer);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await peer.install(folder, say);
    // Last, so that an installation cut short is none.
    if (peer.pin !== null) await writeFile(markerOf(peer), peer.pin);
    if ((await findPeer(peer)) === null) throw new Error('the installation ended well, but the peer is not there');
    return true;
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(path: string, say: Say): Promise<string> {
  const giveUpMs = performance.now() + LOCK_WAIT_MS_MAX;
  for (let told = false; ;) {
    const file = await open(path, 'wx').catch(() => null);
    if (file !== null) {
      await file.writeFile(String(process.pid));
      await file.close();
      return path;
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    if (holder > 0 && !isRunning(holder)) {
      await rm(path, { force: true });
      continue;
    }
    if (performance.now() > giveUpMs)
      throw new Error(`process ${holder} holds \`${path}\` for too long; end it, or remove the file`);
    if (!told) say(`waits for process ${holder}, which installs it`);
    told = true;
    await sleep(LOCK_POLL_MS);
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // A process of another user is running all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
