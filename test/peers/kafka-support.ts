/**
 * A Kafka of a test's own: one broker that is its own controller, with a listener for each way to reach it.
 *
 * @module
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KafkaPaths } from '../../tools/peers/kafka.ts';
import type { Authority } from '../support/certificates.ts';
import { freePort, listens } from '../support/receiver.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

export const USER = 'claviger';
export const PASSWORD = 'correct horse';
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
/** How long a reader waits for one message more. */
const READ_MS_MAX = 30_000;

/** A message as Kafka's own consumer read it. */
export interface Message {
  readonly partition: number;
  readonly timestampMs: number;
  readonly key: string;
  readonly value: any;
}

export interface Broker {
  /** Its ports: in the clear, with TLS and a certificate of ours, and with a login, over TLS or in the clear. */
  readonly ports: { readonly open: number; readonly tls: number; readonly saslTls: number; readonly sasl: number };
  makeTopic(name: string, partitions: number): Promise<void>;
  /** All messages of a topic, those of a partition in their order. */
  read(topic: string): Promise<readonly Message[]>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface BrokerOptions extends KafkaPaths {
  readonly folder: string;
  readonly authority: Authority;
}

export async function startKafka({ java, classpath, folder, authority }: BrokerOptions): Promise<Broker> {
  const [open, tls, saslTls, sasl, controller] = await Promise.all(Array.from({ length: 5 }, () => freePort()));
  const ports = { open: open!, tls: tls!, saslTls: saslTls!, sasl: sasl! };
  const config = join(folder, 'server.properties');
  writeFileSync(config, propertiesOf(ports, controller!, folder, authority));
  const program = (name: string, ...args: readonly string[]): Promise<{ stdout: string }> =>
    run(java, ['-Xmx256m', '-cp', classpath, name, ...args], { maxBuffer: 256 * 1024 * 1024 });
  const server = `127.0.0.1:${ports.open}`;
  const logins = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((name) => `${name}=[name=${USER},password="${PASSWORD}"]`);
  await program(
    'kafka.tools.StorageTool',
    'format',
    '--cluster-id',
    CLUSTER_ID,
    '--config',
    config,
    ...logins.flatMap((login) => ['--add-scram', login]),
  );
  let child: ChildProcess | null = null;
  const broker: Broker = {
    ports,
    makeTopic: async (name, partitions) => {
      const args = ['--bootstrap-server', server, '--create', '--topic', name, '--partitions', String(partitions)];
      await program('org.apache.kafka.tools.TopicCommand', ...args);
    },
    read: async (topic) => {
      const where = ['--bootstrap-server', server, '--topic', topic];
      const { stdout: ends } = await program('org.apache.kafka.tools.GetOffsetShell', ...where);
      const count = linesOf(ends).reduce((sum, line) => sum + Number(line.split(':').at(-1)), 0);
      if (count === 0) return [];
      const wanted = ['--from-beginning', '--max-messages', String(count), '--timeout-ms', String(READ_MS_MAX)];
      const shown = ['print.partition', 'print.timestamp', 'print.key'].flatMap((name) => [
        '--property',
        `${name}=true`,
      ]);
      const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
      const { stdout } = await program(consumer, ...where, ...wanted, ...shown);
      return linesOf(stdout).map(messageOf);
    },
    start: async () => {
      const started = spawn(java, ['-Xmx256m', '-cp', classpath, 'kafka.Kafka', config], { stdio: 'ignore' });
      child = started;
      await until('Kafka listens', async () => {
        if (started.exitCode !== null) throw new Error(`Kafka ended with exit code ${started.exitCode}`);
        return (await Promise.all(Object.values(ports).map(listens))).every(Boolean);
      });
      // It listens before it serves.
      await until('Kafka serves', () =>
        program('org.apache.kafka.tools.TopicCommand', '--bootstrap-server', server, '--list').then(
          () => true,
          () => false,
        ),
      );
    },
    stop: async () => {
      if (child === null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      child = null;
      await exited;
    },
  };
  await broker.start();
  return broker;
}

function propertiesOf(ports: Broker['ports'], controller: number, folder: string, authority: Authority): string {
  const { certificate, key } = authority.issue('broker');
  const keyStore = join(folder, 'broker-store.pem');
  writeFileSync(keyStore, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'));
  const listeners = [
    `OPEN://127.0.0.1:${ports.open}`,
    `TLS://127.0.0.1:${ports.tls}`,
    `SASLTLS://127.0.0.1:${ports.saslTls}`,
    `SASL://127.0.0.1:${ports.sasl}`,
  ].join(',');
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controller}`,
    `listeners=${listeners},CONTROLLER://127.0.0.1:${controller}`,
    `advertised.listeners=${listeners}`,
    'listener.security.protocol.map=OPEN:PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=OPEN',
    `log.dirs=${join(folder, 'data')}`,
    'offsets.topic.replication.factor=1',
    'group.initial.rebalance.delay.ms=0',
    'auto.create.topics.enable=true',
    'ssl.keystore.type=PEM',
    `ssl.keystore.location=${keyStore}`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${authority.ca}`,
    'listener.name.tls.ssl.client.auth=required',
    'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    ...['sasltls', 'sasl'].flatMap((listener) => [
      `listener.name.${listener}.plain.sasl.jaas.config=${plain}`,
      `listener.name.${listener}.scram-sha-256.sasl.jaas.config=${scram}`,
      `listener.name.${listener}.scram-sha-512.sasl.jaas.config=${scram}`,
    ]),
    '',
  ].join('\n');
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** `CreateTime:1795764741279\tPartition:0\tKEY\tVALUE`. */
function messageOf(line: string): Message {
  const [time, partition, key, ...value] = line.split('\t') as [string, string, string, ...string[]];
  return {
    timestampMs: Number(time.replace('CreateTime:', '')),
    partition: Number(partition.replace('Partition:', '')),
    key,
    value: JSON.parse(value.join('\t')),
  };
}
