/**
 * What the parts of the adapter share: one configured connection.
 *
 * @module
 */
import type { Random } from '../../ports/random.ts';
import type { GcpClient } from './client.ts';
import type { GcpKmsConfig } from './config.ts';
import type { Answer } from './integrity.ts';

export interface Connection {
  /** The provider's name. */
  readonly name: string;
  readonly config: GcpKmsConfig;
  readonly client: GcpClient;
  readonly answer: Answer;
  readonly random: Random;
}
