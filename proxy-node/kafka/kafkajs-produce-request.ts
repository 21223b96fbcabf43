import type { KafkajsRequest, KafkajsResponse } from 'kafkajs/src/network/connectionPool.js'
import Decoder from 'kafkajs/src/protocol/decoder.js'
import Encoder from 'kafkajs/src/protocol/encoder.js'

/** One record batch on its way, encoded. */
export interface PartitionBatch {
  readonly topic: string
  readonly partition: number
  readonly batch: Buffer
}

/** What the broker said about one partition. */
export interface PartitionAnswer {
  readonly errorCode: number
  readonly baseOffset: bigint
  /** Records that made the broker refuse the batch, by their position in it (KIP-467). */
  readonly recordErrors: readonly { readonly index: number; readonly text: string | null }[]
  readonly errorText: string | null
}

export interface ProduceAnswer {
  readonly partitions: ReadonlyMap<string, PartitionAnswer>
  /** Ms that the broker wants us to pause; kafkajs's connection obeys it by this name (KIP-219). */
  readonly clientSideThrottleTime: number
}

/**
 * The Produce request, version 8: the first whose answer names the records that made the broker refuse a batch, with its
 * own words (KIP-467). kafkajs stops at 7, which is the same request with a poorer answer; brokers from 2.4 on take 8.
 */
export function produceRequest(
  batches: readonly PartitionBatch[],
  options: { readonly acks: -1 | 0 | 1; readonly timeoutMs: number },
): KafkajsRequest {
  return {
    apiKey: 0,
    apiVersion: 8,
    apiName: 'Produce',
    expectResponse: () => options.acks !== 0,
    encode: async () => encode(batches, options),
  }
}

function encode(
  batches: readonly PartitionBatch[],
  options: { readonly acks: -1 | 0 | 1; readonly timeoutMs: number },
): Encoder {
  const topics = Map.groupBy(batches, batch => batch.topic)
  const bytes = batches.reduce((sum, { topic, batch }) => sum + topic.length * 3 + batch.length + 16, 64)
  const encoder = new Encoder(bytes)
    .writeString(null) // transactional id
    .writeInt16(options.acks)
    .writeInt32(options.timeoutMs)
    .writeInt32(topics.size)
  for (const [topic, partitions] of topics) {
    encoder.writeString(topic).writeInt32(partitions.length)
    for (const { partition, batch } of partitions) {
      encoder.writeInt32(partition).writeInt32(batch.length).writeBuffer(batch)
    }
  }
  return encoder
}

export const produceResponse: KafkajsResponse<ProduceAnswer> = {
  decode: async raw => decode(new Decoder(raw)),
  parse: async answer => answer,
}

function decode(decoder: Decoder): ProduceAnswer {
  const partitions = new Map<string, PartitionAnswer>()
  decoder.readArray(() => {
    const topic = decoder.readString() ?? ''
    decoder.readArray(() => {
      const partition = decoder.readInt32()
      const errorCode = decoder.readInt16()
      const baseOffset = BigInt(decoder.readInt64().toString())
      decoder.readInt64() // log append time
      decoder.readInt64() // log start offset
      const recordErrors = decoder.readArray(() => ({
        index: decoder.readInt32(),
        text: decoder.readString(),
      }))
      const errorText = decoder.readString()
      partitions.set(partitionKey(topic, partition), { errorCode, baseOffset, recordErrors, errorText })
    })
  })
  return { partitions, clientSideThrottleTime: decoder.readInt32() }
}

/** A topic's name holds no `/`, so this is unique. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
