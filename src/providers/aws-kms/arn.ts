/**
 * Names of keys in AWS KMS: id, key ARN, alias, alias ARN.
 *
 * @module
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
 */
import { ClavigerError } from '../../errors.ts';

/** AWS takes names of keys up to this length. */
const REFERENCE_CHARS_MAX = 2048;
const KEY_ID = /^(?:mrk-[0-9a-f]{32}|(?:mrk-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const ALIAS = /^alias\/[\w/-]{1,250}$/;
const ARN =
  /^arn:(?<partition>aws(?:-[a-z]+)*):kms:(?<region>[a-z0-9-]+):(?<account>\d{12}):(?<resource>(?:key|alias)\/.+)$/;

export interface KeyArn {
  readonly arn: string;
  readonly keyId: string;
}

/**
 * What a person wrote, once it is something that DescribeKey takes.
 *
 * @param region of the provider; null for a server that is not AWS's own and may say any region in its ARNs
 * @throws INVALID_ARGUMENT for anything else, and for a key of another region, which AWS would not find
 */
export function requireReference(reference: string, region: string | null): string {
  if (KEY_ID.test(reference) || ALIAS.test(reference)) return reference;
  const arn = reference.length <= REFERENCE_CHARS_MAX ? ARN.exec(reference)?.groups : undefined;
  const resource = arn?.['resource'] ?? '';
  if (arn === undefined || !(ALIAS.test(resource) || KEY_ID.test(resource.replace(/^key\//, '')))) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `${shown(reference)} names no key of AWS KMS: give a key ARN, a key id, \`alias/…\` or an alias ARN`,
    );
  }
  if (region === null || arn['region'] === region) return reference;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `${shown(reference)} is in region \`${arn['region']}\`, and this provider is of \`${region}\``,
  );
}

/**
 * The ARN of a key: the only reference that stays the same, whatever becomes of aliases.
 *
 * @throws INVALID_ARGUMENT
 */
export function requireKeyArn(ref: string, region: string | null): KeyArn {
  const keyId = /:key\/(?<id>[^/]+)$/.exec(requireReference(ref, region))?.groups?.['id'];
  if (keyId !== undefined) return { arn: ref, keyId };
  throw new ClavigerError('INVALID_ARGUMENT', `${shown(ref)} is not the ARN of a key; resolve it first`);
}

/** Whether the host is one of AWS's own: everybody else who speaks the protocol keeps keys in a way that we do not know. */
export function isAwsHost(hostname: string): boolean {
  return /\.(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws|api\.amazonwebservices\.com\.cn)$/.test(
    hostname,
  );
}

function shown(reference: string): string {
  return `\`${reference.slice(0, 200)}\``;
}
