import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { SchemaRefused } from '../formats/format.ts'
import { createSchemaCompilers } from '../formats/schema-compilers.ts'
import { defaultSchemaLimits } from '../formats/schema-limits.ts'
import { SchemaCodecs } from './schema-codecs.ts'

test('a schema that is refused only when it is made ready to encode costs that once a minute', async () => {
  const clock = new ManualClock()
  const compilers = createSchemaCompilers(defaultSchemaLimits)
  let prepared = 0
  const codecs = new SchemaCodecs(
    {
      ...compilers,
      JSON: {
        ...compilers.JSON,
        compile: source => ({
          ...compilers.JSON.compile(source),
          prepareEncode() {
            prepared += 1
            throw new SchemaRefused('too slow')
          },
        }),
      },
    },
    {
      entriesMax: 10,
      charsMax: 1000,
      textCharsMax: 1000,
      referencesMax: 1,
      referenceDepthMax: 1,
    },
    { clock },
  )
  for (let round = 0; round < 3; round++) expect(() => codecs.ofText('JSON', '{}')).toThrow('too slow')
  expect(prepared).toBe(1)
  await clock.advance(60_000)
  expect(() => codecs.ofText('JSON', '{}')).toThrow('too slow')
  expect(prepared).toBe(2)
})
