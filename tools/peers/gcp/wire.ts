/**
 * The service `google.cloud.kms.v1.KeyManagementService` as gRPC has it, from the definitions that ship in Google's own
 * package.
 *
 * Requests are read strictly: what a definition does not have is noticed, where protobuf would skip it.
 *
 * @module
 */
import { protos } from '@google-cloud/kms';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

const v1 = protos.google.cloud.kms.v1;

/** What we use of a message's class, as protobufjs generates it. */
interface MessageType {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
  fromObject(message: object): object;
  toObject(message: object, options: object): object;
}

const METHODS = {
  ListCryptoKeyVersions: [v1.ListCryptoKeyVersionsRequest, v1.ListCryptoKeyVersionsResponse],
  GetKeyRing: [v1.GetKeyRingRequest, v1.KeyRing],
  GetCryptoKey: [v1.GetCryptoKeyRequest, v1.CryptoKey],
  GetCryptoKeyVersion: [v1.GetCryptoKeyVersionRequest, v1.CryptoKeyVersion],
  GetPublicKey: [v1.GetPublicKeyRequest, v1.PublicKey],
  GetImportJob: [v1.GetImportJobRequest, v1.ImportJob],
  CreateKeyRing: [v1.CreateKeyRingRequest, v1.KeyRing],
  CreateCryptoKey: [v1.CreateCryptoKeyRequest, v1.CryptoKey],
  CreateCryptoKeyVersion: [v1.CreateCryptoKeyVersionRequest, v1.CryptoKeyVersion],
  CreateImportJob: [v1.CreateImportJobRequest, v1.ImportJob],
  ImportCryptoKeyVersion: [v1.ImportCryptoKeyVersionRequest, v1.CryptoKeyVersion],
  UpdateCryptoKey: [v1.UpdateCryptoKeyRequest, v1.CryptoKey],
  UpdateCryptoKeyVersion: [v1.UpdateCryptoKeyVersionRequest, v1.CryptoKeyVersion],
  UpdateCryptoKeyPrimaryVersion: [v1.UpdateCryptoKeyPrimaryVersionRequest, v1.CryptoKey],
  DestroyCryptoKeyVersion: [v1.DestroyCryptoKeyVersionRequest, v1.CryptoKeyVersion],
  RestoreCryptoKeyVersion: [v1.RestoreCryptoKeyVersionRequest, v1.CryptoKeyVersion],
  Encrypt: [v1.EncryptRequest, v1.EncryptResponse],
  Decrypt: [v1.DecryptRequest, v1.DecryptResponse],
  RawEncrypt: [v1.RawEncryptRequest, v1.RawEncryptResponse],
  RawDecrypt: [v1.RawDecryptRequest, v1.RawDecryptResponse],
  AsymmetricSign: [v1.AsymmetricSignRequest, v1.AsymmetricSignResponse],
  AsymmetricDecrypt: [v1.AsymmetricDecryptRequest, v1.AsymmetricDecryptResponse],
  MacSign: [v1.MacSignRequest, v1.MacSignResponse],
  Decapsulate: [v1.DecapsulateRequest, v1.DecapsulateResponse],
  GenerateRandomBytes: [v1.GenerateRandomBytesRequest, v1.GenerateRandomBytesResponse],
} as const satisfies Record<string, readonly [MessageType, MessageType]>;

export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as readonly MethodName[];

/** A request as a plain object: enums by name, 64-bit numbers as text; fields that were not sent are absent. */
export interface ReadRequest {
  readonly message: Readonly<Record<string, unknown>>;
  /** False where it has fields that its definition does not have. */
  readonly known: boolean;
}

export const SERVICE = Object.fromEntries(
  METHOD_NAMES.map((name) => [name, definitionOf(name, ...(METHODS[name] as readonly [MessageType, MessageType]))]),
) as unknown as ServiceDefinition;

function definitionOf(
  name: MethodName,
  request: MessageType,
  response: MessageType,
): MethodDefinition<ReadRequest, object> {
  return {
    path: `/google.cloud.kms.v1.KeyManagementService/${name}`,
    originalName: name,
    requestStream: false,
    responseStream: false,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: (bytes) => {
      const message = request.decode(bytes);
      return {
        message: request.toObject(message, { enums: String, longs: String }) as ReadRequest['message'],
        // What was read, written again, is what came, but for what was skipped.
        known: Buffer.from(request.encode(message).finish()).equals(bytes),
      };
    },
    responseSerialize: (answer) => Buffer.from(response.encode(response.fromObject(answer)).finish()),
    responseDeserialize: (bytes) => response.toObject(response.decode(bytes), {}),
  };
}
