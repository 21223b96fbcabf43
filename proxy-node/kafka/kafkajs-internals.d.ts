/**
 * The parts of kafkajs 2.2.4 below its Producer, which the package ships but does not type. The version is pinned
 * exactly, and test/contract/kafka-producer.test.ts runs everything that is used here against a real broker.
 */
declare module 'kafkajs/src/broker/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js'
  import type { KafkajsLog } from 'kafkajs/src/network/connectionPool.js'

  /** One broker: opens its connection, learns the versions of its API, authenticates. */
  export default class Broker {
    constructor(options: {
      connectionPool: ConnectionPool
      logger: KafkajsLog
      authenticationTimeout: number
      allowAutoTopicCreation: boolean
    })
    connect(): Promise<void>
    isConnected(): boolean
    initProducerId(options: {
      transactionalId: string | null
      transactionTimeout: number
    }): Promise<{ producerId: string; producerEpoch: number }>
  }
}

declare module 'kafkajs/src/network/connectionPool.js' {
  import type { Socket } from 'node:net'
  import type { ConnectionOptions } from 'node:tls'
  import type { SASLOptions } from 'kafkajs'
  import type Encoder from 'kafkajs/src/protocol/encoder.js'

  export interface KafkajsLog {
    namespace(name: string): KafkajsLog
    debug(message: string, extra?: object): void
    info(message: string, extra?: object): void
    warn(message: string, extra?: object): void
    error(message: string, extra?: object): void
  }

  export interface KafkajsRequest {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    readonly expectResponse: () => boolean
    readonly encode: () => Promise<Encoder>
  }

  export interface KafkajsResponse<T> {
    readonly decode: (raw: Buffer) => Promise<T>
    readonly parse: (decoded: T) => Promise<T>
  }

  export interface KafkajsConnection {
    readonly requestQueue: {
      pending: readonly unknown[]
      scheduleCheckPendingRequests: () => void
      rejectAll(error: Error): void
      destroy(): void
    }
    isConnected(): boolean
    /** Resolves with undefined when the request expects no response. */
    send<T>(protocol: {
      request: KafkajsRequest
      response: KafkajsResponse<T>
      logResponseError?: boolean
    }): Promise<T | undefined>
  }

  /** Two connections to one broker: the first for everything, the second for Fetch. */
  export default class ConnectionPool {
    constructor(options: {
      host: string
      port: number
      logger: KafkajsLog
      clientId: string
      ssl?: ConnectionOptions | null
      sasl?: SASLOptions | null
      socketFactory: (options: {
        host: string
        port: number
        ssl: ConnectionOptions | null
        onConnect: () => void
      }) => Socket
      connectionTimeout: number
      requestTimeout: number
      enforceRequestTimeout: boolean
      maxInFlightRequests: number | null
    })
    readonly pool: readonly KafkajsConnection[]
  }
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    constructor(initialBytes?: number)
    writeInt16(value: number): this
    writeInt32(value: number): this
    writeString(value: string | null): this
    writeBuffer(value: Buffer): this
  }
}

declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    constructor(buffer: Buffer)
    readInt16(): number
    readInt32(): number
    readInt64(): { toString(): string }
    readString(): string | null
    /** A null array is an empty one. */
    readArray<T>(read: (decoder: Decoder) => T): T[]
  }
}
