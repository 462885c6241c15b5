/**
 * Sink: Apache Kafka, through a client in JavaScript, which is loaded only where such a sink is configured.
 *
 * A record is a message with the log's id as its key, so all of a log are in one partition, in order. A batch is taken when
 * every replica in sync has it. What is tried again may be there twice, as with every sink: the client's way to
 * prevent that (an idempotent producer) forgets what it sent whenever it starts anew, and tries again without end.
 *
 * @module
 * @see https://kafka.apache.org/protocol.html
 */
import { isIP } from 'node:net';
import type * as Kafka from '@platformatic/kafka';
import { untilEnded } from '../../ports/until-ended.ts';
import { DeliveryError } from '../follow.ts';
import type { KafkaSinkOptions } from './options.ts';
import { eventOf, readTls, type Sink, type SinkBatch } from './sink.ts';

export const KAFKA_PACKAGE = '@platformatic/kafka';
/** A broker takes 1 MiB at once (`message.max.bytes`), and an event is longer than its record. */
const PACE = { batchBytesMax: 256 * 1024 } as const;
const CONNECT_MS_MAX = 10_000;
/** For the replicas, and then for the answer. */
const REPLICATE_MS_MAX = 20_000;
const ANSWER_MS_MAX = 30_000;
const CLIENT_ID = 'claviger';

export class KafkaSink implements Sink {
  readonly pace = PACE;
  readonly #options: KafkaSinkOptions;
  /**
   * Whether hosts are told their names in TLS, which are checked against their certificates all the same; null until it is
   * known what brokers call themselves. An address is no name there, and Node refuses it from within the client's socket.
   */
  #sni: boolean | null;
  #producer: Kafka.Producer | null = null;

  constructor(options: KafkaSinkOptions) {
    this.#options = options;
    const named = options.brokers.every((broker) => isName(brokerOf(broker)));
    this.#sni = options.tls !== null && named ? null : false;
  }

  async deliver({ logId, records }: SinkBatch, signal: AbortSignal): Promise<void> {
    const key = Buffer.from(logId);
    const messages = records.map((record) => {
      const event = eventOf(logId, record);
      return {
        topic: this.#options.topic,
        key,
        value: Buffer.from(JSON.stringify(event)),
        timestamp: BigInt(Date.parse(event.time)),
      };
    });
    try {
      signal.throwIfAborted();
      const producer = await this.#connected(signal);
      await untilEnded(signal, producer.send({ messages }));
    } catch (error) {
      // The next attempt connects anew, with the files of TLS as they are then.
      await this.close();
      throw signal.aborted ? error : notTaken(error);
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = null;
    await producer?.close().catch(() => undefined);
  }

  async #connected(signal: AbortSignal): Promise<Kafka.Producer> {
    this.#producer ??= await this.#newProducer();
    if (this.#sni !== null) return this.#producer;
    const { brokers } = await untilEnded(signal, this.#producer.metadata({ topics: [this.#options.topic] }));
    this.#sni = [...brokers.values()].every(isName);
    if (!this.#sni) await this.close();
    return (this.#producer ??= await this.#newProducer());
  }

  async #newProducer(): Promise<Kafka.Producer> {
    const { brokers, tls, sasl } = this.#options;
    const { Producer, ProduceAcks } = await import('@platformatic/kafka');
    return new Producer({
      clientId: CLIENT_ID,
      bootstrapBrokers: brokers.map(brokerOf),
      acks: ProduceAcks.ALL,
      autocreateTopics: false,
      // The follower tries again by itself, and says so.
      retries: 0,
      connectTimeout: CONNECT_MS_MAX,
      timeout: REPLICATE_MS_MAX,
      requestTimeout: ANSWER_MS_MAX,
      ...(tls === null ? {} : { tls: { minVersion: 'TLSv1.2', ...(await readTls(tls)) } }),
      tlsServerName: this.#sni ?? true,
      ...(sasl === undefined ? {} : { sasl }),
    });
  }
}

function isName({ host }: { readonly host: string }): boolean {
  return isIP(host) === 0;
}

function brokerOf(text: string): Kafka.Broker {
  const colon = text.lastIndexOf(':');
  return {
    host: text.slice(0, colon).replace(/^\[(?<address>.*)\]$/u, '$<address>'),
    port: Number(text.slice(colon + 1)),
  };
}

/** What the client throws is a tree: what counts stands at its ends. */
interface Thrown {
  readonly message: string;
  readonly canRetry?: boolean;
  readonly errors?: readonly Thrown[];
  readonly cause?: Thrown;
}

function notTaken(thrown: unknown): DeliveryError {
  const all = [...tree(thrown as Thrown)];
  const ends = all.filter(({ errors = [], cause }) => errors.length === 0 && cause === undefined);
  const words = new Set(ends.map(({ message }) => message));
  return new DeliveryError([...words].join('; '), {
    refused: all.some(({ canRetry }) => canRetry === false),
    cause: thrown,
  });
}

function* tree(thrown: Thrown): Generator<Thrown> {
  yield thrown;
  for (const inner of thrown.errors ?? []) yield* tree(inner);
  if (thrown.cause !== undefined) yield* tree(thrown.cause);
}
