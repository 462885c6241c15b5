/**
 * All scenarios, in the order in which they run.
 *
 * @module
 */
import type { Scenario } from '../bench.ts';
import { cliFile } from './cli-file.ts';
import { fieldEncryption } from './fields.ts';
import { envelope } from './envelope.ts';
import { flood } from './flood.ts';
import { homes } from './homes.ts';
import { hsm } from './hsm.ts';
import { idleConnections } from './idle-connections.ts';
import { mixed } from './mixed.ts';
import { slowClient } from './slow-client.ts';
import { slowDisk } from './slow-disk.ts';
import { soak } from './soak.ts';
import { steady } from './steady.ts';

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  steady,
  mixed,
  'slow-disk': slowDisk,
  'slow-client': slowClient,
  'idle-connections': idleConnections,
  flood,
  homes,
  hsm,
  envelope,
  'cli-file': cliFile,
  fields: fieldEncryption,
  soak,
};
