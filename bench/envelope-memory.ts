/**
 * A process that encrypts 1 GiB as a stream and decrypts it again, and says how much memory it had, idle after a first MiB, and at most.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Envelope, rawAesKeyring } from '../src/envelope/index.ts';

const CHUNK_BYTES = 65_536;
const MIB = 2 ** 20;

const envelope = new Envelope({ keyring: rawAesKeyring({ key: randomBytes(32), namespace: 'bench', name: 'key' }) });

async function through(bytes: number): Promise<number> {
  const chunk = randomBytes(CHUNK_BYTES);
  const source = Readable.from(
    Array.from({ length: bytes / CHUNK_BYTES }, () => chunk),
    { objectMode: false },
  );
  let read = 0;
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      read += piece.length;
      done();
    },
  });
  await pipeline(source, envelope.encryptTransform(), envelope.decryptTransform(), sink);
  return read;
}

// What the first bytes bring into memory is not what many of them take.
await through(MIB);
const idleMib = process.memoryUsage.rss() / MIB;
const read = await through(1024 * MIB);
if (read !== 1024 * MIB) throw new Error(`${read} bytes came back`);
console.log(JSON.stringify({ idleMib, peakMib: process.resourceUsage().maxRSS / 1024 }));
