/**
 * A key service in memory: what envelope encryption needs of one, with real cryptography and without a server.
 *
 * @module
 */
import { encodeContext } from '../../src/bytes/length-prefixed.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { XaesKey } from '../../src/crypto/xaes.ts';
import type { KeyService } from '../../src/envelope/key-service.ts';
import { ClavigerError, invalidCiphertext } from '../../src/errors.ts';
import type { Random } from '../../src/ports/random.ts';

export interface MemoryKeyService extends KeyService {
  /** Whose use is refused. */
  readonly denied: Set<string>;
  /** Calls so far, by name. */
  readonly calls: string[];
}

/** The ARN of a key of `memoryKeyService`. */
export function arnOf(name: string): string {
  return `arn:aws:kms:us-east-1:863664449909:key/${name}`;
}

/** Keys are made as they are named. */
export function memoryKeyService(random: Random = systemRandom): MemoryKeyService {
  const keys = new Map<string, XaesKey>();
  const denied = new Set<string>();
  const calls: string[] = [];
  const keyOf = (call: string, given: string): { arn: string; key: XaesKey } => {
    calls.push(call);
    const name = given.replace(/^arn:.*key\//, '').replace(/^alias:/, '');
    if (denied.has(name)) throw new ClavigerError('PERMISSION_DENIED', `no policy permits ${call} with key ${name}`);
    const key = keys.get(name) ?? new XaesKey(systemRandom.bytes(32));
    keys.set(name, key);
    return { arn: arnOf(name), key };
  };
  const service: MemoryKeyService = {
    denied,
    calls,
    generateDataKey: async ({ key, bytes = 32, context = {} }) => {
      const found = keyOf('GenerateDataKey', key);
      const plaintext = random.bytes(bytes);
      const ciphertext = found.key.seal(plaintext, encodeContext(context), systemRandom);
      return { keyId: found.arn, arn: found.arn, keyVersion: 1, ciphertext, plaintext };
    },
    encrypt: async ({ key, plaintext, context = {} }) => {
      const found = keyOf('Encrypt', key);
      const ciphertext = found.key.seal(plaintext, encodeContext(context), systemRandom);
      return { keyId: found.arn, arn: found.arn, keyVersion: 1, ciphertext };
    },
    decrypt: async ({ key, ciphertext, context = {} }) => {
      if (key === undefined) throw invalidCiphertext();
      const found = keyOf('Decrypt', key);
      const plaintext = found.key.open(ciphertext, encodeContext(context));
      return { keyId: found.arn, arn: found.arn, keyVersion: 1, plaintext };
    },
    describeKey: async ({ key }) => ({ arn: keyOf('DescribeKey', key).arn }),
  };
  return service;
}
