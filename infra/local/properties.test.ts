import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseProperties } from '../../shared/settings/properties-file.ts'
import { checkProperty } from '../../test/support/property.ts'
import { propertiesText } from './properties.ts'

test('what is written is read back by the parser of the settings', async () => {
  const keys = fc.string({ unit: 'grapheme-ascii', minLength: 1 })
  await checkProperty(
    'properties files',
    fc.property(fc.dictionary(keys, fc.string({ unit: 'grapheme-ascii' })), settings => {
      expect(Object.fromEntries(parseProperties(propertiesText(settings)))).toEqual({ ...settings })
    }),
  )
})

test('numbers and booleans, line breaks, and a leading space survive', () => {
  const settings = { 'a.b': 5, c: true, d: ' x\r\ny', e: 'C:\\dir', 'k=1:2': 'v#!=' }
  const read = Object.fromEntries(parseProperties(propertiesText(settings)))
  expect(read).toEqual({ 'a.b': '5', c: 'true', d: ' x\r\ny', e: 'C:\\dir', 'k=1:2': 'v#!=' })
})
