/** The AWS KMS adapter against the conformance kit, at local-kms. */
import { specRow } from '../../src/model/spec.ts';
import { awsKmsConformance } from '../support/aws-kms-conformance.ts';
import { startLocalKms } from '../support/kms-servers.ts';

await awsKmsConformance({
  name: 'local-kms',
  peer: 'local-kms',
  start: startLocalKms,
  has: ({ spec, operation }) =>
    !['ed25519', 'ml-dsa', 'ml-kem', 'hmac'].includes(specRow(spec).family) && !['agree', 'import'].includes(operation),
  knownFaults: {
    'wrap AES-256-GCM: a wrap with one bit changed*': 'does not authenticate the name of the key in a ciphertext',
    'cipher AES-256-GCM *: changed ciphertexts*': 'does not authenticate the name of the key in a ciphertext',
    'wrap AES-256-GCM: noise does not open':
      'crashes at a ciphertext that is shorter than a nonce, and ends the connection',
    'sign *: the salt is as long as the hash': 'salts are as long as the modulus allows',
  },
});
