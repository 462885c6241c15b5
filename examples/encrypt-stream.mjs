// Encrypts a file as it is read, and decrypts it again: memory stays the same, whatever its size.
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Claviger } from 'claviger';
import { clavigerKeyring, Envelope } from 'claviger/envelope';

const [, , input, sealed, output] = process.argv;

await using claviger = await Claviger.open({
  folder: './keys',
  principal: { name: 'archive', roles: ['key-administrator', 'crypto-user'] },
});
const { id } = await claviger.createKey({ spec: 'AES-256-GCM' });
const envelope = new Envelope({ keyring: clavigerKeyring(claviger, { key: id }) });
const context = { archive: '2026' };

const encrypt = envelope.encryptTransform({ context });
await pipeline(createReadStream(input), encrypt, createWriteStream(sealed));
console.log((await encrypt.header).encryptedDataKeys.length, 'wrapped data key');

try {
  await pipeline(
    createReadStream(sealed),
    envelope.decryptTransform({ context }),
    createWriteStream(output, { mode: 0o600 }),
  );
} catch (error) {
  // What was written before the end was verified is worth nothing.
  await rm(output, { force: true });
  throw error;
}
console.log('the same bytes are in', output);
