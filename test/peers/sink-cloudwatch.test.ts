/** The CloudWatch sink against moto, and boto3 as the reader. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test, type TestContext } from 'node:test';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CloudwatchSink } from '../../src/audit/sinks/cloudwatch.ts';
import type { CloudwatchSinkOptions } from '../../src/audit/sinks/options.ts';
import type { SinkBatch } from '../../src/audit/sinks/sink.ts';
import type { Log } from '../../src/ports/log.ts';
import { silentLog } from '../../src/ports/log.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { freePort } from '../support/receiver.ts';
import { from, sinkBatch } from '../support/sink-records.ts';
import { until } from '../support/until.ts';

const NEVER = new AbortController().signal;
const KEYS = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' };

describe('the CloudWatch sink', () => {
  let moto: ChildProcess | null = null;
  let endpoint = '';
  let reader: CloudWatchLogs;
  let batch: SinkBatch;

  before(async (t) => {
    const peer = await requirePeer(t as TestContext, 'moto');
    if (peer === null) return;
    const port = await freePort();
    endpoint = `http://127.0.0.1:${port}`;
    moto = spawn(peer.server, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    await until('moto answers', () =>
      fetch(`${endpoint}/moto-api/`).then(
        () => true,
        () => false,
      ),
    );
    reader = new CloudWatchLogs({ region: 'eu-west-1', endpoint, credentials: KEYS });
    // moto refuses events that are older than two weeks, as AWS does.
    batch = await sinkBatch(30, (index) => ({ atMs: Date.now() - 60_000 + index, principal: 'Käthe' }));
  });
  after(async () => {
    if (moto === null) return;
    const exited = once(moto, 'exit');
    moto.kill();
    await exited;
  });

  function sink(more: Partial<CloudwatchSinkOptions> = {}, log: Log = silentLog): CloudwatchSink {
    const options: CloudwatchSinkOptions = {
      kind: 'cloudwatch',
      name: 'cloud',
      region: 'eu-west-1',
      group: '/claviger/audit',
      stream: 'claviger',
      create: true,
      endpoint,
      ...KEYS,
      ...more,
    };
    return new CloudwatchSink(options, log);
  }

  async function stored(logGroupName: string): Promise<{ timestamp: number; record: any }[]> {
    const { events = [] } = await reader.getLogEvents({ logGroupName, logStreamName: 'claviger', startFromHead: true });
    return events.map(({ timestamp, message }) => ({ timestamp: timestamp!, record: JSON.parse(message!) }));
  }

  test('makes group and stream, and sends every record in order with its time', async (t) => {
    if (moto === null) return t.skip('moto is missing');
    const cloud = sink();
    await cloud.deliver(from(batch, 0, 10), NEVER);
    await cloud.deliver(from(batch, 10), NEVER);
    await cloud.close();
    assert.deepEqual(
      await stored('/claviger/audit'),
      batch.records.map(({ record }) => ({
        timestamp: Date.parse(record.time),
        record: { logId: batch.logId, ...record },
      })),
    );
  });

  test('uses the group and stream that are there', async (t) => {
    if (moto === null) return t.skip('moto is missing');
    await reader.createLogGroup({ logGroupName: 'made' });
    const cloud = sink({ group: 'made' });
    await cloud.deliver(from(batch, 0, 2), NEVER);
    await cloud.close();
    assert.equal((await stored('made')).length, 2);
  });

  test('makes nothing where it may not', async (t) => {
    if (moto === null) return t.skip('moto is missing');
    const cloud = sink({ group: 'nowhere', create: false });
    await assert.rejects(cloud.deliver(from(batch, 0, 2), NEVER), { name: 'ResourceNotFoundException' });
    await cloud.close();
    const { logGroups } = await reader.describeLogGroups({ logGroupNamePrefix: 'nowhere' });
    assert.deepEqual(logGroups, []);
  });

  test('tells the operator of records that are too old to be taken', async (t) => {
    if (moto === null) return t.skip('moto is missing');
    const said: unknown[] = [];
    const log: Log = { write: (level) => void said.push(level) };
    const old = await sinkBatch(2, () => ({ atMs: Date.now() - 20 * 24 * 60 * 60 * 1000 }));
    const cloud = sink({ group: 'old' }, log);
    await cloud.deliver(old, NEVER);
    await cloud.close();
    assert.deepEqual(said, ['error']);
  });

  test('fails in words where nobody answers, and ends with its signal', async () => {
    const away = sink({ endpoint: `http://127.0.0.1:${await freePort()}` });
    const one = await sinkBatch(1);
    await assert.rejects(away.deliver(one, NEVER), /ECONNREFUSED/);
    await assert.rejects(away.deliver(one, AbortSignal.abort()), { name: 'AbortError' });
    await away.close();
  });
});
