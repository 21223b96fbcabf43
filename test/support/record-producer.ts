import type { Producer } from 'kafkajs'
import { Kafka, logLevel } from './kafkajs.ts'

/** One record that a test writes; a missing partition goes to 0. */
export interface TestRecord {
  readonly key?: string | Buffer | null
  readonly value: string | Buffer | null
  readonly partition?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Ms since the epoch. */
  readonly timestamp?: number
}

/** Writes records with a foreign client, past the proxy. Stop it in `afterAll`. */
export class RecordProducer {
  readonly #producer: Producer

  private constructor(producer: Producer) {
    this.#producer = producer
  }

  static async start(broker: string): Promise<RecordProducer> {
    const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
    const producer = client.producer({
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    })
    await producer.connect()
    return new RecordProducer(producer)
  }

  /** One partition at a time: kafkajs tries a send over several again as a whole, also what was written already. */
  async send(topic: string, records: readonly TestRecord[]): Promise<void> {
    for (const [, some] of Map.groupBy(records, record => record.partition ?? 0)) {
      await this.#producer.send({
        topic,
        messages: some.map(({ timestamp, headers, ...record }) => ({
          ...record,
          ...(headers === undefined ? {} : { headers: { ...headers } }),
          ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
        })),
      })
    }
  }

  async stop(): Promise<void> {
    await this.#producer.disconnect()
  }
}
