/** The AWS KMS adapter against the conformance kit, at moto. */
import { specRow } from '../../src/model/spec.ts';
import { awsKmsConformance } from '../support/aws-kms-conformance.ts';
import { startMoto } from '../support/kms-servers.ts';

const DENIES = 'answers AccessDeniedException, without a word, to a ciphertext that names another key or none';
const STATELESS = 'does not enforce the states of keys';

await awsKmsConformance({
  name: 'moto',
  peer: 'moto',
  start: startMoto,
  // Its RSA encryption is AES: there is nothing to be seen.
  has: ({ spec, operation }) =>
    !['ed25519', 'ml-dsa', 'ml-kem'].includes(specRow(spec).family) &&
    !['agree', 'import'].includes(operation) &&
    !(specRow(spec).family === 'rsa' && ['wrap', 'encrypt', 'decrypt'].includes(operation)),
  knownFaults: {
    'wrap AES-256-GCM: a wrap of one key does not open under another': DENIES,
    'wrap AES-256-GCM: a wrap with one bit changed does not open, wherever it is': DENIES,
    'wrap AES-256-GCM: a wrap that is cut or longer does not open': DENIES,
    'wrap AES-256-GCM: noise does not open': DENIES,
    'cipher AES-256-GCM *: changed ciphertexts, and those of other keys, are refused': DENIES,
    'sign RSA-*: of a digest, and others verify it': 'hashes a digest once more',
    'sign P-*: of a digest, and others verify it': 'hashes a digest once more',
    'sign secp256k1 *: of a digest, and others verify it': 'hashes a digest once more',
    'sign *: the salt is as long as the hash': 'salts are as long as the modulus allows',
    'states: *': STATELESS,
    'errors: what a service refused*': STATELESS,
    'errors: messages*': STATELESS,
    'errors: no secret*': STATELESS,
  },
});
