/**
 * `npm run peers`: installs the software that tests talk to. `npm run peers -- python curl` installs only those.
 *
 * @module
 */
import { PEER_NAMES, type PeerName } from './index.ts';
import { installPeers } from './install.ts';

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(PEER_NAMES as readonly string[]).includes(name));
if (unknown.length > 0) {
  console.error(`no such peer: ${unknown.join(', ')}; there are ${PEER_NAMES.join(', ')}`);
  process.exit(2);
}
const names = wanted.length === 0 ? PEER_NAMES : (wanted as PeerName[]);
const missing = await installPeers((line) => console.log(line), names);
if (missing.length > 0) {
  console.log(`peers: ${missing.length} of ${names.length} could not be had: ${missing.join(', ')}`);
  process.exitCode = 1;
}
