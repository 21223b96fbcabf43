import { expect, test } from 'vitest'
import { SetupError } from './setup-error.ts'
import { parseStartOptions } from './start-options.ts'

test('the defaults: two nodes, the gateway on 8082, everything started here', () => {
  expect(parseStartOptions([])).toEqual({
    help: false,
    nodes: 2,
    port: 8082,
    bootstrapServers: undefined,
    redis: undefined,
    inMemory: false,
    schemaRegistryUrl: undefined,
  })
})

test('--redis none asks for the routing table in memory', () => {
  expect(parseStartOptions(['--redis', 'none'])).toMatchObject({ redis: undefined, inMemory: true })
})

test('every option is read, with = or a space', () => {
  const args = ['--nodes=4', '--port', '9000', '--bootstrap-servers', 'a:9092, b.example:9093']
  args.push('--redis', 'rediss://:p@h:1', '--schema-registry-url=http://r:8081')
  expect(parseStartOptions(args)).toMatchObject({
    nodes: 4,
    port: 9000,
    bootstrapServers: 'a:9092,b.example:9093',
    redis: 'rediss://:p@h:1',
    schemaRegistryUrl: 'http://r:8081',
  })
})

test.each([
  [['--nodes', '0'], '--nodes takes a whole number from 1 to 64, not "0".'],
  [['--nodes', '2.5'], '--nodes takes a whole number from 1 to 64, not "2.5".'],
  [['--port', '65536'], '--port takes a whole number from 1 to 65535, not "65536".'],
  [['--port'], "Option '--port <value>' argument missing; npm start -- --help lists the options."],
  [['--nope'], "Unknown option '--nope'; npm start -- --help lists the options."],
  [['--bootstrap-servers', 'broker'], '--bootstrap-servers takes HOST:PORT'],
  [['--bootstrap-servers', 'h:99999'], '--bootstrap-servers takes HOST:PORT'],
  [['--redis', 'localhost:6379'], '--redis takes a URL that begins with redis:// or rediss://'],
  [['--schema-registry-url', 'ftp://r'], '--schema-registry-url takes a URL that begins with http://'],
])('%j is refused in one sentence', (args, sentence) => {
  expect(() => parseStartOptions(args)).toThrow(SetupError)
  expect(() => parseStartOptions(args)).toThrow(sentence)
})
