/**
 * Routes ↔ operations where a body differs from an operation's input or output. Every other route passes on what its
 * schema parsed, and what its path names.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { BatchOutput } from '../../operations/batch.ts';
import type { GenerateDataKeyInput } from '../../operations/generate-data-key.ts';
import type { GetPublicKeyOutput } from '../../operations/get-public-key.ts';
import { DATA_KEY_SPEC_BYTES, type RouteName } from '../../wire/index.ts';

type Fields = Readonly<Record<string, unknown>>;

const TO_INPUT: Partial<Record<RouteName, (fields: Fields) => Fields>> = {
  createKey: ({ alias, ...input }) =>
    alias === undefined ? input : { ...input, alias: withoutPrefix(alias as string) },
  generateDataKey: ({ spec, ...input }) => ({ ...input, bytes: dataKeyBytes(spec as string | undefined, input) }),
  getPublicKey: ({ format: _, ...input }) => input,
  createAlias: (input) => ({ ...input, name: withoutPrefix(input['name'] as string) }),
  updateAlias: (input) => ({ ...input, name: withoutPrefix(input['name'] as string) }),
  deleteAlias: (input) => ({ ...input, name: withoutPrefix(input['name'] as string) }),
};

const TO_ANSWER: Partial<Record<RouteName, (output: never, fields: Fields) => unknown>> = {
  getPublicKey: publicKeyAnswer,
  encryptBatch: batchAnswer,
  decryptBatch: batchAnswer,
  signBatch: batchAnswer,
  verifyBatch: batchAnswer,
};

/** The operation's input, of what the schema parsed and what the path names. */
export function inputOf(name: RouteName, fields: Fields): Fields {
  return TO_INPUT[name]?.(fields) ?? fields;
}

/** What is sent, of the operation's output. */
export function answerOf(name: RouteName, output: unknown, fields: Fields): unknown {
  return TO_ANSWER[name]?.(output as never, fields) ?? output;
}

function dataKeyBytes(spec: string | undefined, { bytes }: Partial<GenerateDataKeyInput>): number | undefined {
  if (spec === undefined) return bytes;
  if (bytes !== undefined) throw new ClavigerError('INVALID_ARGUMENT', 'give either `spec` or `bytes`');
  return DATA_KEY_SPEC_BYTES[spec];
}

function withoutPrefix(alias: string): string {
  return alias.startsWith('alias/') || alias.startsWith('alias:') ? alias.slice('alias/'.length) : alias;
}

function publicKeyAnswer({ publicKey, pem, jwk, ...rest }: GetPublicKeyOutput, { format }: Fields): unknown {
  if (format === 'pem') return { ...rest, publicKey: pem };
  if (format === 'jwk') return { ...rest, publicKey: jwk };
  return format === 'der' ? { ...rest, publicKey } : { ...rest, publicKey, pem, jwk };
}

function batchAnswer({ results }: BatchOutput<object>): unknown {
  return {
    results: results.map((result) =>
      'output' in result ? result.output : { error: { code: result.error.code, detail: result.error.message } },
    ),
  };
}
