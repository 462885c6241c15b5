/**
 * What the tests with AWS's clients share: a client of the JavaScript SDK, and how a refusal is asserted.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { KMS, type CreateKeyCommandInput, type KeyMetadata, type KMSClientConfig } from '@aws-sdk/client-kms';
import type { TestServer } from '../support/server.ts';

export interface AwsPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The pair of the first start, which makes keys and uses them. */
export function pairOf({
  awsAccessKeyId,
  awsSecretAccessKey,
}: Pick<TestServer, 'awsAccessKeyId' | 'awsSecretAccessKey'>): AwsPair {
  return { accessKeyId: awsAccessKeyId, secretAccessKey: awsSecretAccessKey };
}

export function kmsClient(
  { endpoint, region, ...server }: TestServer,
  credentials: AwsPair = pairOf(server),
  more: KMSClientConfig = {},
): KMS {
  return new KMS({ endpoint, region, credentials, ...more });
}

/** A pair with a fresh credential of these roles, in the tenant of the development token or a named one. */
export async function newPair(server: TestServer, roles: readonly string[], more: object = {}): Promise<AwsPair> {
  const made = await server.client.createToken({ name: roles.join('+'), kind: 'aws', roles: roles as never, ...more });
  return { accessKeyId: made.accessKeyId!, secretAccessKey: made.secretAccessKey! };
}

/** Metadata as every answer of ours has it, the fields that depend on the key aside. */
type MadeKey = { readonly [Name in keyof KeyMetadata]-?: NonNullable<KeyMetadata[Name]> };

export async function newKey(kms: KMS, input: CreateKeyCommandInput = {}): Promise<MadeKey> {
  const { KeyMetadata: made } = await kms.createKey(input);
  return made as MadeKey;
}

/** Asserts that a call is refused with exactly this exception, by its name as callers see it. */
export async function refuses(call: Promise<unknown>, name: string, message?: RegExp): Promise<void> {
  await assert.rejects(call, (error: Error) => {
    assert.equal(error.name, name, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}

/** The fields of an answer, without what the SDK adds about the exchange. */
export function fieldsOf<T extends { readonly $metadata: unknown }>({
  $metadata: _,
  ...fields
}: T): Omit<T, '$metadata'> {
  return fields;
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
