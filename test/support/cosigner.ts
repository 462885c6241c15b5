/**
 * Signs checkpoints as a witness does (C2SP tlog-cosignature, `cosignature/v1`), with nothing of ours: for stand-ins of
 * witnesses that do what no real one would.
 *
 * @module
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';

export interface Cosigner {
  /** Verifier key. */
  readonly key: string;
  /** A signature line over the text of a note. */
  sign(note: string, seconds?: number): string;
}

export function newCosigner(name = 'witness.example/w1'): Cosigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const encoded = Buffer.concat([Buffer.of(4), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
  const keyId = createHash('sha256').update(`${name}\n`).update(encoded).digest().subarray(0, 4);
  return {
    key: `${name}+${keyId.toString('hex')}+${encoded.toString('base64')}`,
    sign: (note, seconds = Math.floor(Date.now() / 1000)) => {
      const text = note.slice(0, note.indexOf('\n\n') + 1);
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), privateKey);
      return `— ${name} ${Buffer.concat([keyId, time, signature]).toString('base64')}\n`;
    },
  };
}
