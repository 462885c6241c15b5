import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Claviger } from '../../src/index.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';

const CALLERS = 24;

test('a stop under load answers what it has taken, and everything answered is in the log', async () => {
  const folder = testFolder();
  const server = await startTestServer({ folder });
  const { id } = await server.client.createKey({ spec: 'P-256' });
  const answered = new Set<string>();
  const unexpected: unknown[] = [];
  let stopping = false;

  const caller = async (): Promise<void> => {
    for (;;) {
      try {
        const answer = await server.fetch('POST', `/v1/keys/${id}:sign`, { message: 'aGVsbG8=' });
        if (answer.status === 200) answered.add(answer.headers.get('x-request-id')!);
        // A connection that is kept alive may be told that the server goes.
        else if (answer.status !== 503 || !stopping) unexpected.push(answer.body);
      } catch (error) {
        // No new connection is taken any more; before that, every request has its answer.
        if (!stopping) unexpected.push(error);
        return;
      }
    }
  };
  const callers = Array.from({ length: CALLERS }, caller);
  while (answered.size < 300) await new Promise((resolve) => setTimeout(resolve, 5));
  stopping = true;
  await server.stop();
  await Promise.all(callers);
  assert.deepEqual(unexpected, []);

  const after = await Claviger.open({ folder, tenant: 'default', principal: { name: 'a', roles: ['auditor'] } });
  const logged = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await after.listAuditRecords({ limit: 1000, operation: 'Sign', outcome: 'OK', cursor });
    for (const { requestId } of page.records) logged.add(requestId);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  await after.close();
  removeFolder(folder);
  assert.deepEqual(
    [...answered].filter((requestId) => !logged.has(requestId)),
    [],
  );
});
