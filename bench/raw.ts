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

/** Each makes what its operation needs, and gives the operation. */
const OPERATIONS = {
  'p256-sign': () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return () => sign('sha256', message, privateKey);
  },
  'p256-verify': () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signature = sign('sha256', message, privateKey);
    return () => verify('sha256', message, publicKey, signature);
  },
  'ed25519-sign': () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    return () => sign(null, message, privateKey);
  },
  'rsa2048-pss-sign': () => pssSigning(2048),
  'rsa4096-pss-sign': () => pssSigning(4096),
  'ml-dsa-65-sign': () => {
    const { privateKey } = generateKeyPairSync('ml-dsa-65');
    return () => sign(null, message, privateKey);
  },
  'hmac-sha256': () => () => createHmac('sha256', secret).update(message).digest(),
  'aes-encrypt-1k': () => seal,
  'aes-decrypt-1k': () => {
    const sealed = seal();
    return () => open(sealed);
  },
} as const satisfies Record<string, () => () => unknown>;

export type RawName = keyof typeof OPERATIONS;

const WARM_UP_OPERATIONS = 200;
/** The slow ones are compiled code of OpenSSL, and need less. */
const WARM_UP_MS_MAX = 50;
/** Operations between two looks at the clock. */
const OPERATIONS_AT_A_TIME = 20;

const made = new Map<RawName, () => unknown>();

process.on('message', ({ name, durationMs }: RawOrder) => {
  const operation = made.get(name) ?? OPERATIONS[name]();
  made.set(name, operation);
  process.send!(loop(operation, durationMs));
});
process.once('disconnect', () => process.exit());

function loop(operation: () => unknown, durationMs: number): RawResult {
  const warmUntil = performance.now() + WARM_UP_MS_MAX;
  for (let n = 0; n < WARM_UP_OPERATIONS && performance.now() < warmUntil; n++) operation();
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  let done = 0;
  do {
    for (let n = 0; n < OPERATIONS_AT_A_TIME; n++) operation();
    done += OPERATIONS_AT_A_TIME;
  } while (performance.now() - begun < durationMs);
  const elapsedMs = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: (done * 1000) / elapsedMs, cpuUs: (user + system) / done };
}

function pssSigning(modulusLength: number): () => Buffer {
  const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength });
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return () => sign('sha256', message, pss);
}

interface Sealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

function seal(): Sealed {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secret, nonce);
  cipher.setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
  return { nonce, ciphertext, tag: cipher.getAuthTag() };
}

function open({ nonce, ciphertext, tag }: Sealed): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', secret, nonce);
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}
