/**
 * A running server as its callers see it: a client, credentials, and a key of each spec that was asked for.
 *
 * @module
 */
import { ClavigerClient } from '../src/client/index.ts';
import type { Spec } from '../src/model/spec.ts';
import type { DevCredentials } from '../src/server/run.ts';

export interface World {
  readonly client: ClavigerClient;
  readonly credentials: DevCredentials;
  /** Id of the key of a spec, made at the first call. */
  readonly key: (spec: Spec) => Promise<string>;
}

export function worldOf(credentials: DevCredentials): World {
  const client = new ClavigerClient({ endpoint: credentials.endpoint, token: credentials.token });
  const keys = new Map<Spec, Promise<string>>();
  return {
    client,
    credentials,
    key: (spec) => {
      const known = keys.get(spec) ?? client.createKey({ spec }).then(({ id }) => id);
      keys.set(spec, known);
      return known;
    },
  };
}

/** Index of the newest record; the question leaves a record of its own after it. */
export async function newestIndex({ client }: World): Promise<number> {
  const { records } = await client.listAuditRecords({ limit: 1 });
  return records[0]!.index;
}
