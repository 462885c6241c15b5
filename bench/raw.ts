/**
 * What node:crypto does alone: the same operation in a bare loop, on one core, in a process of its own. What all cores do
 * together is measured by as many of these processes at the same time.
 *
 * @module
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
  type SignKeyObjectInput,
} from 'node:crypto';

export interface RawOrder {
  readonly name: RawName;
  readonly durationMs: number;
}

export interface RawResult {
  readonly perSecond: number;
  readonly cpuUs: number;
}

const message = randomBytes(32);
const text = randomBytes(1024);
const aad = randomBytes(64);
const secret = randomBytes(32);
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed25519 = generateKeyPairSync('ed25519');
const mlDsa65 = generateKeyPairSync('ml-dsa-65');
const rsa2048 = pss(2048);
const rsa4096 = pss(4096);
const signature = sign('sha256', message, p256.privateKey);
const sealed = seal();

const LOOPS = {
  'p256-sign': () => sign('sha256', message, p256.privateKey),
  'p256-verify': () => verify('sha256', message, p256.publicKey, signature),
  'ed25519-sign': () => sign(null, message, ed25519.privateKey),
  'rsa2048-pss-sign': () => sign('sha256', message, rsa2048),
  'rsa4096-pss-sign': () => sign('sha256', message, rsa4096),
  'ml-dsa-65-sign': () => sign(null, message, mlDsa65.privateKey),
  'hmac-sha256': () => createHmac('sha256', secret).update(message).digest(),
  'aes-encrypt-1k': seal,
  'aes-decrypt-1k': open,
} as const satisfies Record<string, () => unknown>;

export type RawName = keyof typeof LOOPS;

process.on('message', ({ name, durationMs }: RawOrder) => process.send!(loop(LOOPS[name], durationMs)));
process.once('disconnect', () => process.exit());

function loop(operation: () => unknown, durationMs: number): RawResult {
  for (let n = 0; n < 200; n++) operation();
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  let done = 0;
  while (performance.now() - begun < durationMs) {
    for (let n = 0; n < 20; n++) operation();
    done += 20;
  }
  const elapsedMs = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: (done * 1000) / elapsedMs, cpuUs: (user + system) / done };
}

function pss(modulusLength: number): SignKeyObjectInput {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return {
    key: privateKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
}

function seal(): { nonce: Buffer; ciphertext: Buffer; tag: Buffer } {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secret, nonce);
  cipher.setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
  return { nonce, ciphertext, tag: cipher.getAuthTag() };
}

function open(): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', secret, sealed.nonce);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.tag);
  return Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]);
}
