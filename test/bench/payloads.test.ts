import { expect, test } from 'vitest'
import {
  benchFormats,
  produceBody,
  RECORD_BYTES,
  recordText,
  recordType,
  registeringBody,
} from './payloads.ts'

test('every record has the same size and is JSON', () => {
  for (const index of [0, 9, 88, 89, 999_999, 1_000_000]) {
    expect(recordText(index)).toHaveLength(RECORD_BYTES)
    expect(JSON.parse(recordText(index))).toMatchObject({ valid: true })
  }
})

test.each(benchFormats)('a body of %s holds the records and, if it has one, the schema id', format => {
  const body = JSON.parse(produceBody(format, 10, registeringBody(format) ? 7 : undefined))
  expect(body.records).toHaveLength(10)
  expect(body.value_schema_id).toBe(format === 'json' || format === 'binary' ? undefined : 7)
  expect(recordType(format)).toContain(format)
})
