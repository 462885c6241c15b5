/**
 * docs/reference/errors.md, of the one table of errors; what a code means to a caller stands here.
 *
 * @module
 */
import { ERRORS, REASONS, type Disposition, type ErrorCode, type Reason } from '../../src/errors.ts';
import { blocks, code, table } from './markdown.ts';

/** Code → when it is answered, and what to do. A code that is missing here does not compile. */
const MEANING: Readonly<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: 'Something in the request is not as it must be. The message names the field and what is allowed.',
  INVALID_CIPHERTEXT:
    'The ciphertext does not open: it was changed, or the key or the encryption context are not those it was made with.',
  INVALID_SIGNATURE:
    'The signature is not one of this key and message. An exception over the AWS protocol; REST and the library answer `valid: false`, and only the log says this.',
  INVALID_MAC: 'As INVALID_SIGNATURE, of a MAC.',
  UNAUTHENTICATED:
    'No credential, or one that is unknown, wrong, revoked or expired. Told before anything of the request is judged.',
  PERMISSION_DENIED: 'No policy permits it, or one forbids it. `claviger policy explain` says which.',
  APPROVAL_REQUIRED: 'Reserved. Nothing asks for approvals yet.',
  KEY_NOT_FOUND: 'There is no such key in your tenant. A key of another tenant looks the same.',
  NOT_FOUND: 'There is no such alias, token, tenant or path.',
  KEY_EXISTS: 'The name is taken: an alias, the name of a tenant, or its account id.',
  CONFLICT:
    'The change collides with another one, or an `Idempotency-Key` was used for another request. Read again, then decide anew.',
  KEY_DISABLED: 'The key is suspended. Enable it first.',
  KEY_STATE: 'The state of the key, a deletion date or missing material forbids it. The message says which.',
  KEY_USAGE: 'The key is for something else, or has no such algorithm.',
  INCORRECT_KEY: 'The ciphertext was made under another key of yours than the one you named.',
  UNSUPPORTED: 'Claviger does not do this, or not with this key.',
  LIMIT_EXCEEDED:
    'More than there may be: tags or versions of a key. With the reason BodyTooLarge: a body above 1 MiB.',
  THROTTLED: 'More requests in a second than one principal may make. Wait a second.',
  PROVIDER_UNAVAILABLE:
    'A provider does not answer: it is down, sealed, cannot be reached, its circuit is open, or what came is no answer of its kind. In the client and the command line: the server cannot be reached.',
  PROVIDER_TIMEOUT: 'A provider did not answer in time. What was asked may have happened.',
  PROVIDER_DENIED:
    'A provider refused our own credentials. It is called no more until an operator has set them right and clears it.',
  PROVIDER_INTEGRITY:
    "A provider's answer failed its check: a wrong checksum, another key or version than was asked for, a length or form that the key does not give, or a signature that does not verify. No other home is asked in its place, and somebody should look.",
  PROVIDER_MISCONFIGURED:
    'A provider cannot work as it is configured: a package or a file is missing, or a name is wrong.',
  ALL_BACKINGS_FAILED:
    'No home of the key could do it, or fewer than the quorum. The message names each home and why; try again later.',
  SEALED: 'At the start: the root key is missing, is another one, or its passphrase is wrong.',
  AUDIT_UNAVAILABLE:
    'The record cannot be written, so nothing is answered: a full disk, or a store that fails. Nothing was released, and a change was not made.',
  STORE_UNAVAILABLE:
    'The store does not answer. At the start: another process has the data folder, or a newer release wrote it.',
  DRY_RUN: 'The request would have succeeded; it asked for a dry run. AWS protocol only.',
  INTERRUPTED:
    'In the log only: a change outside the store that was begun before a crash, and whose outcome is not known.',
  CANCELED: 'Reserved. Nothing cancels a request yet.',
  INTERNAL: 'A mistake of ours. The server log has its cause under the request id.',
};

/** Reason → when it is given. */
const REASON_MEANING: Readonly<Record<Reason, string>> = {
  InvalidArn: 'begins like an ARN, but is none of a key or alias',
  InvalidAliasName: 'not an alias name, or a reserved one',
  InvalidMarker: 'a cursor or marker that this list did not give',
  Tag: 'a tag that is too long, reserved, or given twice',
  ExpiredImportToken: 'the import token is older than a day',
  InvalidImportToken: 'not the last import token of this key',
  IncorrectKeyMaterial: 'the material is not what the spec of the key takes, or the key had other material before',
  MalformedPolicyDocument: 'a policy that cannot be read, or says what is not enforced',
  Serialization: 'the body is not JSON in UTF-8, or nested too deep',
  UnknownOperation: '`X-Amz-Target` names no operation of KMS',
  MissingAuthentication: 'the request names no credential',
  IncompleteSignature: 'the signature is malformed, or of a kind that is not taken',
  InvalidRequestSignature: 'the signature, its scope or its time is wrong',
  ExpiredCredential: 'the token or access key has expired; told only to who had its secret',
  BodyTooLarge: 'the body is larger than 1 MiB',
};

const DISPOSITIONS: Readonly<Record<Disposition, string>> = {
  fatal: 'no',
  retry: 'later',
  failover: 'later',
  'failover-idempotent': 'later, where a repeat does no harm',
  pending: 'after somebody has acted',
};

const INTRODUCTION = `# Errors

<!-- Generated from src/errors.ts by \`npm run docs\`. What a code means stands in tools/docs/errors.ts. -->

Every refusal has a code from this one table. Codes are never renamed: they stand in answers, in the audit log and in
\`ClavigerError.code\`. Messages are for people and may change.

Over REST a refusal is a problem document (RFC 9457), \`application/problem+json\`:

\`\`\`json
{
  "type": "urn:claviger:error:KEY_NOT_FOUND",
  "title": "key not found",
  "status": 404,
  "detail": "key \`alias:nope\` does not exist",
  "code": "KEY_NOT_FOUND",
  "requestId": "01a20a49-4211-7248-bd97-1376f2c70be0"
}
\`\`\`

\`reason\` is there where the second table has one. Over the AWS protocol it is \`{"__type": "NotFoundException", "message": …}\`
with status 400, or 500 where the status below is 500 or more, which is what AWS SDKs act on.

*Again?* says whether the same call can succeed when it is sent again.`;

export function errorsPage(): string {
  const codes = Object.entries(ERRORS) as [ErrorCode, (typeof ERRORS)[ErrorCode]][];
  const reasons = Object.entries(REASONS) as [Reason, (typeof REASONS)[Reason]][];
  return blocks(
    INTRODUCTION,
    '## Codes',
    table(
      ['code', 'HTTP', 'AWS exception', 'again?', 'when'],
      codes.map(([name, { http, aws, disposition }]) => [
        code(name),
        String(http),
        code(aws),
        DISPOSITIONS[disposition],
        MEANING[name],
      ]),
    ),
    '## Reasons',
    'A reason narrows a code, where the AWS protocol has a more exact exception.',
    table(
      ['reason', 'code', 'AWS exception', 'when'],
      reasons.map(([name, row]) => [
        code(name),
        'http' in row ? `${code(row.code)}, HTTP ${row.http}` : code(row.code),
        code(row.aws),
        REASON_MEANING[name],
      ]),
    ),
  );
}
