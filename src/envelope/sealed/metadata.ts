/**
 * What a sealed file says of itself: which file it is, which keys open it, what is to be sealed, and the MAC.
 *
 * Nothing of it is believed before the MAC has verified, but who to ask for the data key.
 *
 * @module
 */
import { z } from 'zod';
import { ClavigerError } from '../../errors.ts';
import { BLOB_BYTES_MAX } from '../ciphertext.ts';
import { requireContext, type EncryptionContext } from '../../model/encryption-context.ts';
import { KEYS_MAX, PATTERN_CHARS_MAX } from './limits.ts';

export const FORMAT_VERSION = 'v1';
export const FILE_ID_BYTES = 16;
export const MAC_BYTES = 32;
const ABOUT = 'values sealed by Claviger: read with `claviger unseal`, change with `claviger edit`';

/** The data key as one key of the service has wrapped it. */
export interface Wrap {
  readonly arn: string;
  readonly wrap: Buffer;
}

/** Which values are to be sealed, by patterns over their paths; null where a pattern is not given. */
export interface Selection {
  readonly only: string | null;
  readonly except: string | null;
}

export interface Metadata {
  /** 16 random bytes. */
  readonly file: Buffer;
  readonly context: EncryptionContext;
  readonly selection: Selection;
  /** At least one. */
  readonly keys: readonly Wrap[];
}

/** RFC 4648, section 5: one text for one value. */
const base64url = (min: number, max = min): z.ZodType<Buffer, string> =>
  z
    .string()
    .max(Math.ceil((max * 4) / 3))
    .transform((text, context) => {
      const bytes = Buffer.from(text, 'base64url');
      if (bytes.toString('base64url') !== text || bytes.length < min || bytes.length > max) {
        context.addIssue('not what was written here');
      }
      return bytes;
    });

/** Not `z.record`, which leaves out a pair of the name `__proto__`: then no wrap would open. */
function isPairs(found: unknown): boolean {
  const isObject = typeof found === 'object' && found !== null && !Array.isArray(found);
  return isObject && Object.values(found).every((value) => typeof value === 'string');
}

const pattern = z.string().min(1).max(PATTERN_CHARS_MAX).optional();

const schema = z.strictObject({
  about: z.string().max(200).optional(),
  sealed: z.string(),
  file: base64url(FILE_ID_BYTES),
  context: z.custom<EncryptionContext>(isPairs).optional(),
  only: pattern,
  except: pattern,
  keys: z
    .array(z.strictObject({ arn: z.string().regex(/^[\x21-\x7e]{1,2048}$/), wrap: base64url(1, BLOB_BYTES_MAX) }))
    .min(1)
    .max(KEYS_MAX),
  mac: base64url(MAC_BYTES),
});

/**
 * What stands in a file, checked in form.
 *
 * @throws UNSUPPORTED where a later version wrote it; INVALID_ARGUMENT where it is not what was written
 */
export function parseMetadata(found: unknown): Metadata & { readonly mac: Buffer } {
  const version = (found as { sealed?: unknown } | null)?.sealed;
  if (typeof version === 'string' && /^v\d{1,4}$/.test(version) && version !== FORMAT_VERSION) {
    throw new ClavigerError(
      'UNSUPPORTED',
      `the file was sealed in version \`${version}\` of the format, and this program knows ${FORMAT_VERSION}: take a newer one`,
    );
  }
  const parsed = schema.safeParse(found);
  if (!parsed.success || parsed.data.sealed !== FORMAT_VERSION) {
    const where = parsed.error?.issues[0]?.path.join('.') || 'sealed';
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `the metadata of the sealed file are damaged at \`${where}\`: take the file from your version control, or seal it anew`,
    );
  }
  const { file, context = {}, only = null, except = null, keys, mac } = parsed.data;
  return { file, context: requireContext(context), selection: { only, except }, keys, mac };
}

/** As it is written, but for the MAC, which comes last. */
export function metadataFields({ file, context, selection, keys }: Metadata): object {
  return {
    about: ABOUT,
    sealed: FORMAT_VERSION,
    file: file.toString('base64url'),
    ...(Object.keys(context).length === 0 ? {} : { context }),
    ...(selection.only === null ? {} : { only: selection.only }),
    ...(selection.except === null ? {} : { except: selection.except }),
    keys: keys.map(({ arn, wrap }) => ({ arn, wrap: wrap.toString('base64url') })),
  };
}
