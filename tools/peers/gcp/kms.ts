/**
 * Key rings, keys, versions and import jobs as Cloud KMS has them, and what their material does.
 *
 * Written from Google's definitions and documents, strictly: purposes, states, names, sizes and checksums are held to.
 * What the documents do not say, such as the format of a ciphertext, is our own. IAM, rotation by schedule, external keys
 * and deletion of records are left out.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { signDigest } from '../../../src/crypto/digest.ts';
import { decapsulate } from '../../../src/crypto/kem.ts';
import { generateMaterial, importMaterial, loadPrivate } from '../../../src/crypto/key-material.ts';
import { unwrapImport } from '../../../src/crypto/key-wrap.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';
import { sign } from '../../../src/crypto/sign.ts';
import { SIGNING_ALGORITHMS } from '../../../src/model/algorithm.ts';
import { type Algorithm, isAtLevel, readAlgorithm } from './algorithms.ts';
import { checked, checksumOf } from './crc.ts';
import { invalid, KmsError, notFound } from './status.ts';
import type { MethodName } from './wire.ts';

type Fields = Readonly<Record<string, unknown>>;
type Level = 'SOFTWARE' | 'HSM';

interface Version {
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly algorithmName: string;
  readonly level: Level;
  readonly createdMs: number;
  importJob: string | null;
  importFailure: string | null;
  state: string;
  /** Raw bytes of a symmetric key. */
  secret: Buffer | null;
  key: KeyObject | null;
  destroyAtMs: number | null;
  destroyedMs: number | null;
}

interface Key {
  readonly name: string;
  readonly purpose: string;
  readonly level: Level;
  readonly importOnly: boolean;
  readonly destroyAfterSeconds: number;
  readonly createdMs: number;
  readonly versions: Map<string, Version>;
  algorithmName: string;
  labels: Fields;
  primary: string | null;
}

interface ImportJob {
  readonly name: string;
  readonly level: Level;
  readonly pkcs8: Buffer;
  readonly pem: string;
  readonly createdMs: number;
  readonly expiresMs: number;
}

export interface KmsOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a version is still being made, at least. */
  readonly generationMs?: number;
}

const ID = /^[a-zA-Z0-9_-]{1,63}$/;
const LABEL_NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const LABEL = /^[a-z0-9_-]{0,63}$/;
const PROJECT = 'projects/[^/]+/locations/[^/]+';
const KIB = 1024;
const DAY_SECONDS = 86_400;
const IMPORT_JOB_MS = 3 * DAY_SECONDS * 1000;
/** Of our ciphertexts: a mark, and the version. */
const CIPHERTEXT_MARK = Buffer.from('0a24', 'hex');
const HEADER_BYTES = CIPHERTEXT_MARK.length + 4;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const UNOPENED = 'Decryption failed: the ciphertext is invalid.';
/** Of a key that is made. */
const KEY_FIELDS = ['purpose', 'versionTemplate', 'labels', 'importOnly', 'destroyScheduledDuration'];
/** Versions in these states can be destroyed, or changed between the two. */
const LIVING = ['ENABLED', 'DISABLED'];

export class Kms {
  readonly #rings = new Set<string>();
  readonly #keys = new Map<string, Key>();
  readonly #jobs = new Map<string, ImportJob>();
  readonly #now: () => number;
  readonly #generationMs: number;

  constructor({ now = Date.now, generationMs = 0 }: KmsOptions = {}) {
    this.#now = now;
    this.#generationMs = generationMs;
  }

  /** What the method answers. @throws KmsError */
  async run(method: MethodName, request: Fields): Promise<object> {
    return this.#methods[method](request);
  }

  readonly #methods: Readonly<Record<MethodName, (request: Fields) => object | Promise<object>>> = {
    CreateKeyRing: (request) => {
      const parent = nameOf(request, 'parent', `^${PROJECT}$`);
      const name = `${parent}/keyRings/${idOf(request, 'keyRingId')}`;
      if (request['keyRing'] === undefined) throw invalid('key_ring is required.');
      if (this.#rings.has(name)) throw new KmsError('ALREADY_EXISTS', `KeyRing ${name} already exists.`);
      this.#rings.add(name);
      return { name };
    },
    GetKeyRing: (request) => ({ name: this.#ring(request, 'name') }),

    CreateCryptoKey: async (request) => {
      const name = `${this.#ring(request, 'parent')}/cryptoKeys/${idOf(request, 'cryptoKeyId')}`;
      const given = fieldsOf(request['cryptoKey'], KEY_FIELDS);
      const { versionTemplate, labels = {}, importOnly = false, destroyScheduledDuration } = given;
      const template = fieldsOf(versionTemplate ?? {}, ['algorithm', 'protectionLevel']);
      const purpose = textOf(given, 'purpose');
      const usual = purpose === 'ENCRYPT_DECRYPT' ? 'GOOGLE_SYMMETRIC_ENCRYPTION' : '';
      const algorithmName = textOf(template, 'algorithm') || usual;
      const level = levelOf(template['protectionLevel'] ?? 'SOFTWARE');
      const algorithm = readAlgorithm(algorithmName);
      if (purpose === '') throw invalid('crypto_key.purpose is required.');
      if (algorithm === null) throw invalid(`algorithm ${algorithmName} is not supported here.`);
      if (algorithm.purpose !== purpose) throw invalid(`algorithm ${algorithmName} is not allowed for ${purpose}.`);
      if (!isAtLevel(algorithm, level)) throw invalid(`algorithm ${algorithmName} is not supported at ${level}.`);
      const skips = request['skipInitialVersionCreation'] === true;
      if (importOnly === true && !skips) throw invalid('import_only needs skip_initial_version_creation.');
      if (this.#keys.has(name)) throw new KmsError('ALREADY_EXISTS', `CryptoKey ${name} already exists.`);
      const key: Key = {
        name,
        purpose,
        level,
        importOnly: importOnly === true,
        destroyAfterSeconds: secondsOf(destroyScheduledDuration),
        createdMs: this.#now(),
        versions: new Map(),
        algorithmName,
        labels: labelsOf(labels),
        primary: null,
      };
      this.#keys.set(name, key);
      if (!skips) this.#generate(key);
      if (purpose === 'ENCRYPT_DECRYPT' && !skips) key.primary = `${name}/cryptoKeyVersions/1`;
      return this.#showKey(key);
    },
    GetCryptoKey: (request) => this.#showKey(this.#key(request, 'name')),
    UpdateCryptoKey: (request) => {
      const given = fieldsOf(request['cryptoKey'], ['name', 'labels']);
      const key = this.#key(given, 'name');
      requireMask(request, ['labels']);
      key.labels = labelsOf(given['labels'] ?? {});
      return this.#showKey(key);
    },
    UpdateCryptoKeyPrimaryVersion: (request) => {
      const key = this.#key(request, 'name');
      if (key.purpose !== 'ENCRYPT_DECRYPT') throw invalid(`${key.name} has purpose ${key.purpose}, and no primary.`);
      const version = this.#find(`${key.name}/cryptoKeyVersions/${String(request['cryptoKeyVersionId'])}`);
      requireEnabled(version);
      key.primary = version.name;
      return this.#showKey(key);
    },

    ListCryptoKeyVersions: (request) => {
      const { versions } = this.#key(request, 'parent');
      const size = Number(request['pageSize'] ?? 0) || 100;
      const start = Number(request['pageToken'] || 0);
      const page = [...versions.values()].slice(start, start + size);
      const more = start + size < versions.size;
      return {
        cryptoKeyVersions: page.map((version) => this.#show(version)),
        nextPageToken: more ? String(start + size) : '',
        totalSize: versions.size,
      };
    },
    GetCryptoKeyVersion: (request) => this.#show(this.#version(request, 'name')),
    CreateCryptoKeyVersion: (request) => {
      const key = this.#key(request, 'parent');
      if (request['cryptoKeyVersion'] === undefined) throw invalid('crypto_key_version is required.');
      if (key.importOnly) throw new KmsError('FAILED_PRECONDITION', `${key.name} is import only.`);
      return this.#show(this.#generate(key));
    },
    UpdateCryptoKeyVersion: (request) => {
      const given = fieldsOf(request['cryptoKeyVersion'], ['name', 'state']);
      const version = this.#version(given, 'name');
      requireMask(request, ['state']);
      if (!LIVING.includes(String(given['state']))) throw invalid('state may be set to ENABLED or DISABLED only.');
      if (!LIVING.includes(version.state)) throw wrongState(version, 'cannot be updated');
      version.state = String(given['state']);
      return this.#show(version);
    },
    DestroyCryptoKeyVersion: (request) => {
      const version = this.#version(request, 'name');
      if (!LIVING.includes(version.state)) throw wrongState(version, 'cannot be destroyed');
      version.state = 'DESTROY_SCHEDULED';
      version.destroyAtMs = this.#now() + this.#keyOf(version).destroyAfterSeconds * 1000;
      return this.#show(version);
    },
    RestoreCryptoKeyVersion: (request) => {
      const version = this.#version(request, 'name');
      if (version.state !== 'DESTROY_SCHEDULED') throw wrongState(version, 'cannot be restored');
      version.state = 'DISABLED';
      version.destroyAtMs = null;
      return this.#show(version);
    },

    CreateImportJob: (request) => {
      const name = `${this.#ring(request, 'parent')}/importJobs/${idOf(request, 'importJobId')}`;
      const job = fieldsOf(request['importJob'], ['importMethod', 'protectionLevel']);
      if (job['importMethod'] !== 'RSA_OAEP_3072_SHA256_AES_256') throw invalid('import_method is not supported here.');
      const { privateKey, publicKey } = generateKeyPairSync('rsa', {
        modulusLength: 3072,
        privateKeyEncoding: { format: 'der', type: 'pkcs8' },
        publicKeyEncoding: { format: 'pem', type: 'spki' },
      });
      const createdMs = this.#now();
      const level = levelOf(job['protectionLevel']);
      const made = { name, level, pkcs8: privateKey, pem: publicKey, createdMs, expiresMs: createdMs + IMPORT_JOB_MS };
      this.#jobs.set(name, made);
      // As in the service: the key comes a little later.
      return { ...this.#showJob(made), state: 'PENDING_GENERATION', publicKey: null };
    },
    GetImportJob: (request) => this.#showJob(this.#job(request, 'name')),
    ImportCryptoKeyVersion: (request) => this.#import(request),

    GetPublicKey: (request) => {
      const version = this.#version(request, 'name');
      requireEnabled(version);
      if (version.key === null) throw invalid(`${version.name} has no public key.`);
      const format = textOf(request, 'publicKeyFormat') || 'PUBLIC_KEY_FORMAT_UNSPECIFIED';
      const post = version.algorithm.spec.startsWith('ML-');
      const publicKey = createPublicKey(version.key);
      const shown = {
        name: version.name,
        algorithm: version.algorithmName,
        protectionLevel: version.level,
        publicKeyFormat: format,
      };
      if (post !== (format === 'NIST_PQC')) throw invalid(`public_key_format ${format} is not for this key.`);
      if (!post) {
        const pem = publicKey.export({ format: 'pem', type: 'spki' });
        return { ...shown, pem, pemCrc32c: checksumOf(Buffer.from(pem)) };
      }
      const data = publicKey.export({ format: 'raw-public' } as unknown as { format: 'der'; type: 'spki' });
      return { ...shown, publicKey: { data, crc32cChecksum: checksumOf(data) } };
    },

    Encrypt: (request) => {
      const asked = String(request['name']);
      const key = /\/cryptoKeyVersions\/[0-9]+$/.test(asked)
        ? this.#keyOf(this.#version(request, 'name'))
        : this.#key(request, 'name');
      requirePurpose(key, 'ENCRYPT_DECRYPT');
      const name = asked === key.name ? key.primary : asked;
      if (name === null) throw new KmsError('FAILED_PRECONDITION', `${key.name} has no primary version.`);
      const version = this.#find(name);
      const input = plaintextOf(request, version.level);
      requireEnabled(version);
      const header = Buffer.alloc(HEADER_BYTES);
      CIPHERTEXT_MARK.copy(header);
      header.writeUInt32BE(Number(version.name.slice(version.name.lastIndexOf('/') + 1)), CIPHERTEXT_MARK.length);
      const iv = randomBytes(IV_BYTES);
      const ciphertext = Buffer.concat([header, iv, seal(version.secret!, iv, input.plaintext, input.aad)]);
      return {
        name: version.name,
        ciphertext,
        ciphertextCrc32c: checksumOf(ciphertext),
        verifiedPlaintextCrc32c: input.plaintextChecked,
        verifiedAdditionalAuthenticatedDataCrc32c: input.aadChecked,
        protectionLevel: version.level,
      };
    },
    Decrypt: (request) => {
      const key = this.#key(request, 'name');
      requirePurpose(key, 'ENCRYPT_DECRYPT');
      const ciphertext = bytesOf(request, 'ciphertext');
      const aad = bytesOf(request, 'additionalAuthenticatedData');
      checked('ciphertext', ciphertext, request['ciphertextCrc32c']);
      checked('additional_authenticated_data', aad, request['additionalAuthenticatedDataCrc32c']);
      const marked =
        ciphertext.length >= HEADER_BYTES + IV_BYTES + TAG_BYTES && ciphertext.indexOf(CIPHERTEXT_MARK) === 0;
      const number = marked ? ciphertext.readUInt32BE(CIPHERTEXT_MARK.length) : 0;
      const version = key.versions.get(`${key.name}/cryptoKeyVersions/${number}`);
      if (version === undefined) throw invalid(UNOPENED);
      this.#age(version);
      requireEnabled(version);
      const iv = ciphertext.subarray(HEADER_BYTES, HEADER_BYTES + IV_BYTES);
      const plaintext = open(version.secret!, iv, ciphertext.subarray(HEADER_BYTES + IV_BYTES), aad);
      return {
        plaintext,
        plaintextCrc32c: checksumOf(plaintext),
        usedPrimary: key.primary === version.name,
        protectionLevel: version.level,
      };
    },
    RawEncrypt: (request) => {
      const version = this.#version(request, 'name');
      requirePurpose(this.#keyOf(version), 'RAW_ENCRYPT_DECRYPT');
      const input = plaintextOf(request, version.level);
      if (bytesOf(request, 'initializationVector').length > 0) throw invalid('AES-GCM takes no initialization_vector.');
      requireEnabled(version);
      const iv = randomBytes(IV_BYTES);
      const ciphertext = seal(version.secret!, iv, input.plaintext, input.aad);
      return {
        name: version.name,
        ciphertext,
        ciphertextCrc32c: checksumOf(ciphertext),
        initializationVector: iv,
        initializationVectorCrc32c: checksumOf(iv),
        tagLength: TAG_BYTES,
        verifiedPlaintextCrc32c: input.plaintextChecked,
        verifiedAdditionalAuthenticatedDataCrc32c: input.aadChecked,
        verifiedInitializationVectorCrc32c: false,
        protectionLevel: version.level,
      };
    },
    RawDecrypt: (request) => {
      const version = this.#version(request, 'name');
      requirePurpose(this.#keyOf(version), 'RAW_ENCRYPT_DECRYPT');
      const [ciphertext, iv] = [bytesOf(request, 'ciphertext'), bytesOf(request, 'initializationVector')];
      const aad = bytesOf(request, 'additionalAuthenticatedData');
      const verified = {
        verifiedCiphertextCrc32c: checked('ciphertext', ciphertext, request['ciphertextCrc32c']),
        verifiedInitializationVectorCrc32c: checked('initialization_vector', iv, request['initializationVectorCrc32c']),
        verifiedAdditionalAuthenticatedDataCrc32c: checked(
          'additional_authenticated_data',
          aad,
          request['additionalAuthenticatedDataCrc32c'],
        ),
      };
      if (iv.length !== IV_BYTES) throw invalid('initialization_vector has a wrong length.');
      if (Number(request['tagLength'] ?? TAG_BYTES) !== TAG_BYTES) throw invalid('tag_length is not supported.');
      requireEnabled(version);
      const plaintext = open(version.secret!, iv, ciphertext, aad);
      return { plaintext, plaintextCrc32c: checksumOf(plaintext), protectionLevel: version.level, ...verified };
    },

    AsymmetricSign: async (request) => {
      const version = this.#version(request, 'name');
      requirePurpose(this.#keyOf(version), 'ASYMMETRIC_SIGN');
      const signed = await this.#sign(version, request);
      return {
        ...signed,
        name: version.name,
        signatureCrc32c: checksumOf(signed.signature),
        protectionLevel: version.level,
      };
    },
    AsymmetricDecrypt: (request) => {
      const version = this.#version(request, 'name');
      requirePurpose(this.#keyOf(version), 'ASYMMETRIC_DECRYPT');
      const ciphertext = bytesOf(request, 'ciphertext');
      const verifiedCiphertextCrc32c = checked('ciphertext', ciphertext, request['ciphertextCrc32c']);
      requireEnabled(version);
      const oaep = { key: version.key!, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: version.algorithm.hash! };
      const plaintext = tryOpen(() => privateDecrypt(oaep, ciphertext));
      return {
        plaintext,
        plaintextCrc32c: checksumOf(plaintext),
        verifiedCiphertextCrc32c,
        protectionLevel: version.level,
      };
    },
    MacSign: (request) => {
      const version = this.#version(request, 'name');
      requirePurpose(this.#keyOf(version), 'MAC');
      const data = bytesOf(request, 'data');
      if (data.length > (version.level === 'HSM' ? 16 : 64) * KIB) throw invalid('data is too long.');
      const verifiedDataCrc32c = checked('data', data, request['dataCrc32c']);
      requireEnabled(version);
      const mac = createHmac(version.algorithm.hash!, version.secret!).update(data).digest();
      return {
        name: version.name,
        mac,
        macCrc32c: checksumOf(mac),
        verifiedDataCrc32c,
        protectionLevel: version.level,
      };
    },
    Decapsulate: async (request) => {
      const version = this.#version(request, 'name');
      requirePurpose(this.#keyOf(version), 'KEY_ENCAPSULATION');
      const ciphertext = bytesOf(request, 'ciphertext');
      const verifiedCiphertextCrc32c = checked('ciphertext', ciphertext, request['ciphertextCrc32c']);
      requireEnabled(version);
      const handle = { key: version.key!, spec: version.algorithm.spec };
      const sharedSecret = await Promise.resolve(decapsulate(handle, ciphertext)).catch(() => {
        throw invalid(UNOPENED);
      });
      return {
        name: version.name,
        sharedSecret,
        sharedSecretCrc32c: checksumOf(sharedSecret).value,
        verifiedCiphertextCrc32c,
        protectionLevel: version.level,
      };
    },
    GenerateRandomBytes: (request) => {
      nameOf(request, 'location', `^${PROJECT}$`);
      const length = Number(request['lengthBytes'] ?? 0);
      if (request['protectionLevel'] !== 'HSM') throw invalid('protection_level must be HSM.');
      if (length < 8 || length > 1024) throw invalid('length_bytes must be 8 to 1024.');
      const data = randomBytes(length);
      return { data, dataCrc32c: checksumOf(data) };
    },
  };

  /** A digest of the algorithm's hash, or the data itself. */
  async #sign(
    version: Version,
    request: Fields,
  ): Promise<{
    readonly signature: Buffer;
    readonly verifiedDigestCrc32c: boolean;
    readonly verifiedDataCrc32c: boolean;
  }> {
    const { algorithm } = version;
    const data = request['data'] === undefined ? null : bytesOf(request, 'data');
    const given = request['digest'] as Fields | undefined;
    if ((data === null) === (given === undefined)) throw invalid('exactly one of digest and data must be given.');
    const verifiedDataCrc32c = data !== null && checked('data', data, request['dataCrc32c']);
    if (data !== null && data.length > 64 * KIB) throw invalid('data is too long.');
    const signing = SIGNING_ALGORITHMS[algorithm.signing!];
    const handle = { key: version.key!, spec: algorithm.spec };
    if (algorithm.hash === null) {
      if (data === null) throw invalid('digest is not allowed for this algorithm; use data.');
      requireEnabled(version);
      const signature = Buffer.from(await sign(handle, algorithm.signing!, { message: data }));
      return { signature, verifiedDigestCrc32c: false, verifiedDataCrc32c };
    }
    const digest = data === null ? bytesOf(given!, algorithm.hash) : createHash(algorithm.hash).update(data).digest();
    if (data === null && Object.keys(given!).join() !== algorithm.hash) {
      throw invalid(`digest must be ${algorithm.hash} for this algorithm.`);
    }
    if (digest.length !== Number(algorithm.hash.slice(3)) / 8) throw invalid('digest has a wrong length.');
    const verifiedDigestCrc32c = data === null && checked('digest', digest, request['digestCrc32c']);
    requireEnabled(version);
    const signature = signDigest(algorithm.spec, version.key!, signing, digest);
    return { signature, verifiedDigestCrc32c, verifiedDataCrc32c };
  }

  #import(request: Fields): object {
    const key = this.#key(request, 'parent');
    const job = this.#job(request, 'importJob');
    const algorithmName = String(request['algorithm']);
    const algorithm = readAlgorithm(algorithmName);
    if (algorithm?.purpose !== key.purpose)
      throw invalid(`algorithm ${algorithmName} is not allowed for ${key.purpose}.`);
    if (job.level !== key.level) throw invalid('the import job has another protection level.');
    if (this.#now() > job.expiresMs) throw new KmsError('FAILED_PRECONDITION', `${job.name} is expired.`);
    const version = this.#addVersion(key, algorithmName, algorithm, 'PENDING_IMPORT');
    version.importJob = job.name;
    try {
      using pkcs8 = new SecretBytes(Buffer.from(job.pkcs8));
      using material = unwrapImport('RSA_AES_KEY_WRAP_SHA_256', pkcs8, bytesOf(request, 'wrappedKey'));
      this.#fill(version, importMaterial(algorithm.spec, material.reveal()).privateMaterial);
      version.state = 'ENABLED';
    } catch (error) {
      version.state = 'IMPORT_FAILED';
      version.importFailure = (error as Error).message;
    }
    return this.#show(version);
  }

  #generate(key: Key): Version {
    const algorithm = readAlgorithm(key.algorithmName)!;
    const version = this.#addVersion(key, key.algorithmName, algorithm, 'PENDING_GENERATION');
    const symmetric = algorithm.spec.startsWith('AES') || algorithm.spec.startsWith('HMAC');
    if (symmetric && this.#generationMs === 0) {
      version.secret = randomBytes(algorithm.spec.startsWith('AES') ? 32 : Number(algorithm.hash!.slice(3)) / 8);
      version.state = 'ENABLED';
      return version;
    }
    // Key pairs take their time, as in the service.
    setTimeout(() => {
      void generateMaterial(algorithm.spec, systemRandom).then(({ privateMaterial }) => {
        this.#fill(version, privateMaterial);
        version.state = 'ENABLED';
      });
    }, this.#generationMs).unref();
    return version;
  }

  #fill(version: Version, material: SecretBytes): void {
    using secret = material;
    const bytes = Buffer.from(secret.reveal());
    const { spec } = version.algorithm;
    if (spec.startsWith('AES') || spec.startsWith('HMAC')) version.secret = bytes;
    else version.key = createPrivateKey(loadPrivate(spec, bytes).key.export({ format: 'pem', type: 'pkcs8' }));
  }

  #addVersion(key: Key, algorithmName: string, algorithm: Algorithm, state: string): Version {
    const version: Version = {
      name: `${key.name}/cryptoKeyVersions/${key.versions.size + 1}`,
      algorithm,
      algorithmName,
      level: key.level,
      createdMs: this.#now(),
      importJob: null,
      importFailure: null,
      state,
      secret: null,
      key: null,
      destroyAtMs: null,
      destroyedMs: null,
    };
    key.versions.set(version.name, version);
    return version;
  }

  /** What is due to be destroyed is. */
  #age(version: Version): void {
    if (version.destroyAtMs === null || this.#now() < version.destroyAtMs) return;
    version.state = 'DESTROYED';
    version.destroyedMs = version.destroyAtMs;
    version.destroyAtMs = null;
    version.secret?.fill(0);
    version.secret = null;
    version.key = null;
  }

  #ring(request: Fields, field: string): string {
    const name = nameOf(request, field, `^${PROJECT}/keyRings/[^/]+$`);
    if (!this.#rings.has(name)) throw notFound(`KeyRing ${name}`);
    return name;
  }

  #key(request: Fields, field: string): Key {
    const name = nameOf(request, field, `^${PROJECT}/keyRings/[^/]+/cryptoKeys/[^/]+$`);
    return this.#keys.get(name) ?? fail(notFound(`CryptoKey ${name}`));
  }

  #version(request: Fields, field: string): Version {
    const name = nameOf(request, field, `^${PROJECT}/keyRings/[^/]+/cryptoKeys/[^/]+/cryptoKeyVersions/[0-9]+$`);
    return this.#find(name);
  }

  #find(name: string): Version {
    const key = this.#keys.get(name.slice(0, name.indexOf('/cryptoKeyVersions/')));
    const version = key?.versions.get(name) ?? fail(notFound(`CryptoKeyVersion ${name}`));
    this.#age(version);
    return version;
  }

  #keyOf(version: Version): Key {
    return this.#keys.get(version.name.slice(0, version.name.indexOf('/cryptoKeyVersions/')))!;
  }

  #job(request: Fields, field: string): ImportJob {
    const name = nameOf(request, field, `^${PROJECT}/keyRings/[^/]+/importJobs/[^/]+$`);
    return this.#jobs.get(name) ?? fail(notFound(`ImportJob ${name}`));
  }

  #showKey(key: Key): object {
    return {
      name: key.name,
      purpose: key.purpose,
      createTime: timestamp(key.createdMs),
      versionTemplate: { algorithm: key.algorithmName, protectionLevel: key.level },
      labels: key.labels,
      importOnly: key.importOnly,
      destroyScheduledDuration: { seconds: key.destroyAfterSeconds },
      ...(key.primary === null ? {} : { primary: this.#show(this.#find(key.primary)) }),
    };
  }

  #show(version: Version): object {
    return {
      name: version.name,
      state: version.state,
      protectionLevel: version.level,
      algorithm: version.algorithmName,
      createTime: timestamp(version.createdMs),
      ...(version.importJob === null ? {} : { importJob: version.importJob, importTime: timestamp(version.createdMs) }),
      ...(version.importFailure === null ? {} : { importFailureReason: version.importFailure }),
      ...(version.destroyAtMs === null ? {} : { destroyTime: timestamp(version.destroyAtMs) }),
      ...(version.destroyedMs === null ? {} : { destroyEventTime: timestamp(version.destroyedMs) }),
    };
  }

  #showJob(job: ImportJob): object {
    return {
      name: job.name,
      importMethod: 'RSA_OAEP_3072_SHA256_AES_256',
      protectionLevel: job.level,
      createTime: timestamp(job.createdMs),
      expireTime: timestamp(job.expiresMs),
      state: this.#now() > job.expiresMs ? 'EXPIRED' : 'ACTIVE',
      publicKey: { pem: job.pem },
    };
  }
}

function plaintextOf(
  request: Fields,
  level: Level,
): {
  readonly plaintext: Buffer;
  readonly aad: Buffer;
  readonly plaintextChecked: boolean;
  readonly aadChecked: boolean;
} {
  const plaintext = bytesOf(request, 'plaintext');
  const aad = bytesOf(request, 'additionalAuthenticatedData');
  if (level === 'HSM' && plaintext.length + aad.length > 8 * KIB) throw invalid('plaintext and AAD are too long.');
  if (plaintext.length > 64 * KIB || aad.length > 64 * KIB) throw invalid('plaintext or AAD is too long.');
  return {
    plaintext,
    aad,
    plaintextChecked: checked('plaintext', plaintext, request['plaintextCrc32c']),
    aadChecked: checked('additional_authenticated_data', aad, request['additionalAuthenticatedDataCrc32c']),
  };
}

function seal(key: Buffer, iv: Buffer, plaintext: Buffer, aad: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Buffer, iv: Buffer, sealed: Buffer, aad: Buffer): Buffer {
  return tryOpen(() => {
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
      .setAAD(aad)
      .setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
  });
}

function tryOpen(opening: () => Buffer): Buffer {
  try {
    return opening();
  } catch {
    throw invalid(UNOPENED);
  }
}

function requirePurpose({ name, purpose }: Key, wanted: string): void {
  if (purpose !== wanted) throw invalid(`${name} has purpose ${purpose}; the method is for ${wanted}.`);
}

function requireEnabled(version: Version): void {
  if (version.state !== 'ENABLED') throw wrongState(version, 'is not enabled');
}

function wrongState({ name, state }: Version, what: string): KmsError {
  const message = `${name} ${what}, current state is: ${state}.`;
  return new KmsError('FAILED_PRECONDITION', message, { type: `KEY_${state}`, subject: name });
}

/** A text of this form. */
function nameOf(request: Fields, field: string, pattern: string): string {
  const name = request[field];
  if (typeof name === 'string' && new RegExp(pattern).test(name)) return name;
  throw invalid(`Resource name [${String(name)}] in field ${field} is malformed.`);
}

function idOf(request: Fields, field: string): string {
  const id = request[field];
  if (typeof id === 'string' && ID.test(id)) return id;
  throw invalid(`${field} must match ${ID.source}.`);
}

/** The fields of a message, where it has no others than these. */
function fieldsOf(message: unknown, allowed: readonly string[]): Fields {
  if (typeof message !== 'object' || message === null) throw invalid('a required message is missing.');
  const other = Object.keys(message).find((field) => !allowed.includes(field));
  if (other !== undefined) throw invalid(`field ${other} cannot be set here.`);
  return message as Fields;
}

function requireMask(request: Fields, paths: readonly string[]): void {
  const mask = (request['updateMask'] as { readonly paths?: readonly string[] } | undefined)?.paths ?? [];
  if (mask.join() !== paths.join()) throw invalid(`update_mask must be ${paths.join()}.`);
}

function textOf(fields: Fields, field: string): string {
  const text = fields[field];
  return typeof text === 'string' ? text : '';
}

function bytesOf(request: Fields, field: string): Buffer {
  const bytes = request[field];
  return bytes instanceof Uint8Array ? Buffer.from(bytes) : Buffer.alloc(0);
}

function levelOf(level: unknown): Level {
  if (level === 'SOFTWARE' || level === 'HSM') return level;
  throw invalid(`protection level ${String(level)} is not supported here.`);
}

function labelsOf(labels: unknown): Fields {
  for (const [name, value] of Object.entries(labels as Record<string, string>)) {
    if (!LABEL_NAME.test(name) || !LABEL.test(value)) throw invalid(`label ${name} is malformed.`);
  }
  return labels as Fields;
}

/** From a day to 120. */
function secondsOf(duration: unknown): number {
  const seconds = Number((duration as { readonly seconds?: string } | undefined)?.seconds ?? 30 * DAY_SECONDS);
  if (seconds >= DAY_SECONDS && seconds <= 120 * DAY_SECONDS) return seconds;
  throw invalid('destroy_scheduled_duration must be 1 to 120 days.');
}

function timestamp(ms: number): object {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
}

function fail(error: Error): never {
  throw error;
}
