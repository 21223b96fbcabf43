import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { gatewaySettings } from '../gateway/settings.ts'
import { restErrors } from '../shared/errors/rest-errors.ts'
import { documentedNodeSettings } from './reference-pages.ts'

const read = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8')

/** Keys of Kafka's clients and brokers, which pass through or are told to do nothing. */
const kafkaKeys = [
  'client.id',
  'client.sasl.mechanism',
  'client.security.protocol',
  'consumer.max.poll.records',
  'group.max.session.timeout.ms',
]
const known = new Set<string>([...gatewaySettings, ...documentedNodeSettings].map(row => row.key))
for (const key of kafkaKeys) known.add(key)

/** Names of settings as a text has them: `a.b.c`, alone or with a value. */
const settingsNamedIn = (text: string): string[] =>
  [...text.matchAll(/`([a-z]+(?:\.[a-z]+)+)(?:=[^`]*)?`/g)]
    .map(([, key = '']) => key)
    .filter(key => !/\.(yml|json|md)$/.test(key))

describe.each(['operations.md', 'benchmarks.md', 'deviations.md'])('%s', name => {
  test('names settings that exist', () => {
    const named = settingsNamedIn(read(name))
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter(key => !known.has(key))).toEqual([])
  })
})

describe('the tables', () => {
  test('errors tell settings that exist', () => {
    const texts = Object.values(restErrors).flatMap(({ message, when }) => [message, when])
    const named = texts.flatMap(text => text.match(/\b[a-z]+(?:\.[a-z]+){2,}\b/g) ?? [])
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter(key => !known.has(key) && !known.has(`producer.${key}`))).toEqual([])
  })

  test('deviations are numbered in order, and the codes in their second half are in the table of errors', () => {
    const rows = read('deviations.md').match(/^\| \d+ \|.*$/gm) ?? []
    expect(rows.map(row => Number(row.split('|')[1]))).toEqual(rows.map((_, index) => index + 1))
    const codes = rows.flatMap(row => [...(row.split('|')[3] ?? '').matchAll(/\b(\d{3}) \/ (\d{3,5})\b/g)])
    expect(codes.length).toBeGreaterThan(10)
    const isInTable = (status: string | undefined, code: string | undefined) =>
      Object.values(restErrors).some(row => row.status === Number(status) && row.errorCode === Number(code))
    expect(codes.filter(([, status, code]) => !isInTable(status, code)).map(([text]) => text)).toEqual([])
  })
})
