/**
 * Errors as Google's services send them: a gRPC status, and `google.rpc.PreconditionFailure` in the trailer
 * `grpc-status-details-bin`, written here by hand, since these two messages are all that is needed.
 *
 * @module
 * @see https://google.aip.dev/193
 */
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';

export type StatusName = keyof typeof status;

export class KmsError extends Error {
  readonly status: StatusName;
  /** Of a violated precondition: its type, and the resource. */
  readonly violation: { readonly type: string; readonly subject: string } | null;

  constructor(statusName: StatusName, message: string, violation: KmsError['violation'] = null) {
    super(message);
    this.status = statusName;
    this.violation = violation;
  }

  toServiceError(): ServiceError {
    const metadata = new Metadata();
    if (this.violation !== null) metadata.set('grpc-status-details-bin', this.#details(this.violation));
    return Object.assign(new Error(this.message), { code: status[this.status], details: this.message, metadata });
  }

  #details({ type, subject }: NonNullable<KmsError['violation']>): Buffer {
    const failure = field(1, Buffer.concat([field(1, type), field(2, subject)]));
    const any = Buffer.concat([field(1, 'type.googleapis.com/google.rpc.PreconditionFailure'), field(2, failure)]);
    return Buffer.concat([Buffer.from([0x08, status[this.status]]), field(2, this.message), field(3, any)]);
  }
}

export function invalid(message: string): KmsError {
  return new KmsError('INVALID_ARGUMENT', message);
}

export function notFound(name: string): KmsError {
  return new KmsError('NOT_FOUND', `${name} not found.`);
}

/** A field of wire type 2: text, bytes, a message. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
    if (rest < 0x80) return Buffer.from(bytes);
  }
}
