import { Claviger } from 'claviger';

await using claviger = await Claviger.open({
  folder: './keys',
  principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
});
const { id } = await claviger.createKey({ spec: 'AES-256-GCM' });
const context = { order: '4711' };
const { ciphertext } = await claviger.encrypt({ key: id, plaintext: Buffer.from('attack at dawn'), context });
const { plaintext, keyVersion } = await claviger.decrypt({ ciphertext, context });
console.log(Buffer.from(plaintext).toString(), `(version ${keyVersion} of key ${id})`);
