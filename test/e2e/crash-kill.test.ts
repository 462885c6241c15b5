/** `kill -9` under load, many times: what was answered is there after the restart. */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { checkLog, readLog, type StoredEntry } from '../support/stored-log.ts';

const CONNECTIONS = 32;
const ROUNDS = 8;
const CONFIG = 'limits: { changesPerSecond: 1000000 }';
const MESSAGE = Buffer.from('hello');

interface Answered {
  readonly requestId: string;
  readonly operation: string;
  readonly body: any;
}

let folder: string;
before(() => {
  folder = testFolder();
});
after(() => removeFolder(folder));

test(`after each of ${ROUNDS} kills every answered key, ciphertext, signature and record is there`, async (t) => {
  const answered: Answered[] = [];
  let server = await startChildServer(folder, { config: CONFIG });
  const shared = await makeSharedKeys(server);
  let checkedTo = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const load = startLoad(server, shared, answered);
    const atLeast = answered.length + CONNECTIONS;
    while (answered.length < atLeast) await pause(5);
    // Somewhere in the load: a moment that is another one each time.
    await pause(Math.random() * 400);
    await server.kill();
    await load;
    checkLog(folder);
    server = await startChildServer(folder, { config: CONFIG });
    const since = answered.slice(checkedTo);
    checkedTo = answered.length;
    await checkAnswers(server, shared, since, readLog(folder));
  }
  t.diagnostic(`${answered.length} answers over ${ROUNDS} kills`);
  assert.ok(answered.length > ROUNDS * CONNECTIONS);
  // The oldest are there too, not only those since the last start.
  await checkAnswers(server, shared, answered.slice(0, 50), readLog(folder));
  assert.equal(await server.terminate(), 0);
  checkLog(folder);
});

interface SharedKeys {
  readonly aes: string;
  readonly p256: string;
  /** Changed without a pause; apart from the others, whose uses would have to be decided again each time. */
  readonly tagged: string;
}

async function makeSharedKeys({ endpoint, token }: ChildServer): Promise<SharedKeys> {
  const client = new ClavigerClient({ endpoint, token });
  const aes = await client.createKey({ spec: 'AES-256-GCM' });
  const p256 = await client.createKey({ spec: 'P-256' });
  const tagged = await client.createKey({ spec: 'HMAC-SHA-256' });
  return { aes: aes.id, p256: p256.id, tagged: tagged.id };
}

/** Calls without a pause over many connections until the server is gone. */
async function startLoad(server: ChildServer, { aes, p256, tagged }: SharedKeys, answered: Answered[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const caller = async (number: number): Promise<void> => {
    for (let n = number; ; n++) {
      const kind = n % 8;
      const context = { n: String(n) };
      try {
        if (kind === 7) answered.push(await post(agent, server, '/v1/keys', 'CreateKey', { spec: 'AES-256-GCM' }));
        else if (kind < 3) {
          const body = { plaintext: MESSAGE.toString('base64'), context };
          const answer = await post(agent, server, `/v1/keys/${aes}:encrypt`, 'Encrypt', body);
          answered.push({ ...answer, body: { ...answer.body, context } });
        } else if (kind < 6) {
          const body = { message: MESSAGE.toString('base64') };
          answered.push(await post(agent, server, `/v1/keys/${p256}:sign`, 'Sign', body));
        } else {
          answered.push(
            await post(agent, server, `/v1/keys/${tagged}:tag`, 'TagKey', { tags: { [`c${number}`]: String(n) } }),
          );
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        assert.ok(['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code ?? ''), String(error));
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => caller(number)));
  agent.destroy();
}

/** An answer counts once all of it has come. */
function post(agent: Agent, server: ChildServer, path: string, operation: string, body: object): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const sent = request(
    `${server.endpoint}${path}`,
    {
      agent,
      method: 'POST',
      headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (!response.complete) return reject(Object.assign(new Error('cut'), { code: 'ECONNRESET' }));
        if (response.statusCode! >= 300) return reject(new Error(`${response.statusCode}: ${text}`));
        resolve({ requestId: response.headers['x-request-id'] as string, operation, body: JSON.parse(text) });
      });
    },
  );
  sent.on('error', reject);
  sent.end(JSON.stringify(body));
  return promise;
}

async function checkAnswers(
  { endpoint, token }: ChildServer,
  shared: SharedKeys,
  answered: readonly Answered[],
  log: readonly StoredEntry[],
): Promise<void> {
  const byRequest = new Map(log.map((entry) => [entry.record['requestId'] as string, entry]));
  for (const { requestId, operation } of answered) {
    const record = byRequest.get(requestId)?.record;
    assert.deepEqual([record?.['operation'], record?.['outcome']], [operation, 'OK'], `the record of ${requestId}`);
  }
  const client = new ClavigerClient({ endpoint, token });
  const { tags } = await client.describeKey({ key: shared.tagged });
  for (const { operation, body } of answered) {
    if (operation === 'CreateKey') {
      const info = await client.describeKey({ key: body.id as string });
      assert.equal(info.state, 'Active');
      // Not only named: its material is there and opens.
      const { ciphertext } = await client.encrypt({ key: info.id, plaintext: MESSAGE });
      assert.deepEqual(Buffer.from((await client.decrypt({ key: info.id, ciphertext })).plaintext), MESSAGE);
    } else if (operation === 'Encrypt') {
      const ciphertext = Buffer.from(body.ciphertext as string, 'base64');
      const opened = await client.decrypt({
        key: shared.aes,
        ciphertext,
        context: body.context as Record<string, string>,
      });
      assert.deepEqual(Buffer.from(opened.plaintext), MESSAGE);
    } else if (operation === 'Sign') {
      const signature = Buffer.from(body.signature as string, 'base64');
      assert.equal((await client.verify({ key: shared.p256, message: MESSAGE, signature })).valid, true);
    } else {
      const [[name, value]] = Object.entries(body.tags as Record<string, string>) as [[string, string]];
      assert.ok(Number(tags[name]) >= Number(value), 'a tag is as it was answered, or newer');
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
