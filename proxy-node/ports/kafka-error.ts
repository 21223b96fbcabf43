/**
 * A failure of a Kafka operation, in our vocabulary. Drivers translate theirs into this one; `code` is
 * the broker's error number (Kafka protocol, "Error codes"), or −1 for failures that no broker reported, such as
 * a time-out or a lost connection. `proxy-node/kafka/kafka-errors.ts` has the table.
 */
export class KafkaError extends Error {
  readonly code: number
  /** The protocol's name, such as `UNKNOWN_TOPIC_OR_PARTITION`, or `TIMED_OUT`, `CONNECTION_LOST`. */
  readonly kind: string
  readonly retriable: boolean

  constructor(kind: string, options: { code: number; retriable: boolean; text: string; cause?: unknown }) {
    super(options.text, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'KafkaError'
    this.kind = kind
    this.code = options.code
    this.retriable = options.retriable
  }
}
