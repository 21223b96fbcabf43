import { expect, test } from 'vitest'
import { parseProduce } from '../../shared/rest/v2-shapes.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { createFormats } from '../formats/formats.ts'
import type { EncodedRecord } from './format-producer.ts'
import { Produce } from './produce.ts'

test('what was parsed is let go as soon as it is encoded: only what the buffer counts waits for Kafka', async () => {
  const text = '{"records":[{"key":"k","value":12345678901234567890},{"value":{"a":1.10}}]}'
  const body = parseProduce(Buffer.from(text), 'x', { depthMax: 10, recordsMax: 10 })
  const sent: EncodedRecord[] = []
  let left = -1
  const producer = {
    async produce(_: string, records: EncodedRecord[]) {
      sent.push(...records)
      left = body.records.length
      return records.map((_record, index) => ({ partition: 0, offset: BigInt(index) }))
    },
  }
  const produce = new Produce({
    formats: createFormats(),
    schemas: {
      resolve: async () => null,
      missingSchema: () => {
        throw new Error('not asked for')
      },
    },
    producers: { json: producer, binary: producer, avro: producer, jsonschema: producer, protobuf: producer },
    clock: new ManualClock(),
  })
  const request = { format: 'json', topic: 't', partition: null, body } as const
  const { outcomes } = await produce.produce(request, new AbortController().signal)
  expect([left, outcomes.length]).toEqual([0, 2])
  expect(sent.map(({ key, value }) => [key?.toString(), value?.toString()])).toEqual([
    ['"k"', '12345678901234567890'],
    [undefined, '{"a":1.10}'],
  ])
})
