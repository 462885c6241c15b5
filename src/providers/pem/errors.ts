/**
 * What OpenSSL and the file system say → our codes, with what to do.
 *
 * @module
 */
import { ClavigerError, type ErrorCode } from '../../errors.ts';

const CONVERT = 'convert it: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD.pem -out NEW.pem`';

/** Code of OpenSSL's error → what is wrong with an encrypted key. */
const DECRYPTION: ReadonlyMap<string, string> = new Map([
  ['ERR_OSSL_BAD_DECRYPT', 'the passphrase is wrong, or the key is damaged'],
  [
    'ERR_OSSL_EVP_UNSUPPORTED',
    `its encryption is too old to be read; ${CONVERT} (with \`-provider legacy -provider default\`)`,
  ],
]);
const DECRYPTION_OTHER = 'the passphrase is wrong, or the key is damaged';

/** Code of the file system's error → ours. */
const FILES: ReadonlyMap<string, readonly [code: ErrorCode, says: string]> = new Map([
  ['ENOENT', ['KEY_NOT_FOUND', 'its file is not there']],
  ['ENOTDIR', ['KEY_NOT_FOUND', 'its file is not there']],
  [
    'EACCES',
    ['PROVIDER_DENIED', 'its file may not be read; let the user that Claviger runs as read it, and nobody else'],
  ],
  [
    'EPERM',
    ['PROVIDER_DENIED', 'its file may not be read; let the user that Claviger runs as read it, and nobody else'],
  ],
]);
const FILES_OTHER = ['PROVIDER_UNAVAILABLE', 'its file cannot be read'] as const;

/** Why a text holds no key that can be used. It never shows the text. */
export class UnfitPem extends Error {
  override readonly name = 'UnfitPem';
}

/** Why an encrypted key did not open. */
export function decryptionWords(error: unknown): string {
  return DECRYPTION.get((error as NodeJS.ErrnoException).code ?? '') ?? DECRYPTION_OTHER;
}

/** What the file system said, as our code and words. */
export function fileFailure(cause: unknown): {
  readonly code: ErrorCode;
  readonly says: string;
  readonly native: string | null;
} {
  const native = (cause as NodeJS.ErrnoException).code ?? null;
  const [code, says] = FILES.get(native ?? '') ?? FILES_OTHER;
  return { code, says, native };
}

export function pemError(
  code: ErrorCode,
  provider: string,
  key: string,
  says: string,
  { native = null, cause }: { readonly native?: string | null; readonly cause?: unknown } = {},
): ClavigerError {
  return new ClavigerError(code, `provider \`${provider}\`, key \`${key}\`: ${says}`, {
    resource: key,
    native: { provider, code: native, requestId: null },
    ...(cause === undefined ? {} : { cause }),
  });
}
