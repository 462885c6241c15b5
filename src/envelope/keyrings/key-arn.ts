/**
 * ARNs of keys in encrypted data keys, as the AWS Encryption SDK specification ("AWS KMS Key ARN") has them.
 *
 * @module
 */

export interface KeyArn {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
}

const KEY_ARN = /^arn:(?<partition>[a-z0-9-]+):kms:(?<region>[a-z0-9-]+):(?<accountId>\d{12}):key\/[A-Za-z0-9-]+$/;
/** AWS takes names of keys up to this length. */
const ARN_CHARS_MAX = 2048;

/** Null where it is not the ARN of a key; that of an alias is none. */
export function parseKeyArn(text: string): KeyArn | null {
  const groups = text.length <= ARN_CHARS_MAX ? KEY_ARN.exec(text)?.groups : undefined;
  if (groups === undefined) return null;
  return { partition: groups['partition']!, region: groups['region']!, accountId: groups['accountId']! };
}
