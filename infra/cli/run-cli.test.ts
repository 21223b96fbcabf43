import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createOperatorTokens } from '../../shared/security/operator-tokens.ts'
import { runCli } from './run-cli.ts'

/** Stands for a gateway: answers by method and path, one after the other. */
const answers = new Map<string, unknown[]>()
const seen: string[] = []
let server: Server
let url: string

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    const request = `${incoming.method} ${incoming.url}`
    seen.push(`${request} ${incoming.headers.authorization}`)
    const queue = answers.get(request) ?? []
    const body = queue.length > 1 ? queue.shift() : queue[0]
    outgoing.writeHead(body === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
    outgoing.end(JSON.stringify(body ?? { error_code: 40410, message: 'Proxy node not found.' }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => new Promise(resolve => server.close(resolve)))

beforeEach(() => {
  answers.clear()
  seen.length = 0
})

async function run(args: string[], env: Record<string, string> = { GATEWAY_ADMIN_TOKEN: 'secret' }) {
  const out: string[] = []
  const errors: string[] = []
  let now = 0
  const code = await runCli({
    args,
    env: { GATEWAY_ADMIN_URL: url, ...env },
    print: line => void out.push(line),
    printError: line => void errors.push(line),
    monotonic: () => now,
    sleep: async delayMs => {
      now += delayMs
    },
  })
  return { code, out: out.join('\n'), errors: errors.join('\n') }
}

const nodeState = (state: string, instances: number, incarnation = 'i') => ({
  id: 'n',
  state,
  instances,
  incarnation,
})

test('drain --wait asks until the node is drained', async () => {
  answers.set('POST /nodes/n%201/drain', [nodeState('draining', 2)])
  answers.set('GET /nodes/n%201/drain', [nodeState('draining', 1), nodeState('drained', 0)])
  expect(await run(['drain', 'n 1', '--wait'])).toEqual({
    code: 0,
    out: 'n 1 is drained; it holds 0 consumer instances.',
    errors: '',
  })
  expect(seen.map(line => line.split(' ').at(-1))).toEqual(['secret', 'secret', 'secret'])
})

test('without --wait it does not', async () => {
  answers.set('POST /nodes/n/drain', [nodeState('draining', 1)])
  expect(await run(['drain', 'n'])).toMatchObject({
    code: 0,
    out: 'n is draining; it holds 1 consumer instance.',
  })
})

test.each([
  ['not in time', [nodeState('draining', 3)], 'n is not drained within 2 s and goes on'],
  ['held to the end', [nodeState('drained', 1)], 'still holds 1 consumer instance (drain.timeout.ms)'],
  ['taken back', [nodeState('active', 1)], 'n was taken back or started anew meanwhile'],
  ['started anew', [nodeState('drained', 0, 'j')], 'n was taken back or started anew meanwhile'],
])('drain --wait fails with 4: %s', async (_, states, sentence) => {
  answers.set('POST /nodes/n/drain', [nodeState('draining', 3)])
  answers.set('GET /nodes/n/drain', states)
  const result = await run(['drain', 'n', '--wait', '--timeout', '2'])
  expect(result).toMatchObject({ code: 4, out: '', errors: expect.stringContaining(sentence) })
})

test('placements are fetched page by page up to the limit', async () => {
  const page = (names: string[], next: string | null) => ({
    placements: names.map(instance => ({ group: 'g', instance, expires_at_ms: 0 })),
    next,
  })
  answers.set('GET /placements?node=n&limit=3', [page(['a', 'b'], 'g/b')])
  answers.set('GET /placements?node=n&limit=1&after=g%2Fb', [page(['c\u001b[2J'], 'g/c')])
  const { code, out } = await run(['placements', '--node', 'n', '--limit', '3'])
  expect([code, out.split('\n')]).toEqual([
    0,
    [
      expect.stringMatching(/^GROUP {2}INSTANCE {2}NODE/),
      expect.stringMatching(/^g {6}a {9}- .*1970-01-01T00:00:00\.000Z$/),
      expect.stringMatching(/^g {6}b /),
      // Names come from clients: nothing in them steers the terminal.
      expect.stringContaining('c?[2J'),
      'There are more than 3: see --limit.',
    ],
  ])
  const asJson = await run(['placements', '--node', 'n', '--limit', '3', '--json'])
  expect(JSON.parse(asJson.out)).toMatchObject({ placements: [{}, {}, {}], next: 'g/c' })
})

test('what the gateway refuses is said with its codes', async () => {
  expect(await run(['undrain', 'x'])).toEqual({
    code: 1,
    out: '',
    errors: 'Proxy node not found. (404 / 40410)',
  })
})

test('token draws one whose entry fits; it asks nobody', async () => {
  const { code, out } = await run(['token', 'alice', '--json'], {})
  const { token, entry } = JSON.parse(out)
  expect([code, createOperatorTokens([entry]).operatorOf(`Bearer ${token}`)]).toEqual([0, 'alice'])
  const text = (await run(['token', 'bob'], {})).out
  expect(text).toMatch(/^ {2}bob:[0-9a-f]{64}$/m)
  expect((await run(['token', 'a:b'], {})).code).toBe(2)
  expect(seen).toEqual([])
})

test.each([
  [['nothing'], "There is no command 'nothing'."],
  [['toString'], "There is no command 'toString'."],
  [['drain'], 'Usage: kafka-rest-gateway drain NODE'],
  [['evict', 'g'], 'Usage: kafka-rest-gateway evict GROUP INSTANCE'],
  [['nodes', 'n'], 'Usage: kafka-rest-gateway nodes'],
  [['drain', 'n', '--timeout', '0'], '--timeout: 0 is not a whole number'],
  [['nodes', '--url', 'localhost:1'], '--url: localhost:1 is not http'],
  [['nodes', '--token', 'x'], "Unknown option '--token'"],
  [['nodes', '--token-file', '/nowhere/token'], 'The token cannot be read'],
])('wrong usage: %j', async (args, sentence) => {
  expect(await run(args)).toMatchObject({ code: 2, out: '', errors: expect.stringContaining(sentence) })
  expect(seen).toEqual([])
})

test('a token that no header can hold is refused, and not printed', async () => {
  const { code, out, errors } = await run(['nodes'], { GATEWAY_ADMIN_TOKEN: 'first-secret\nsecond-secret' })
  expect([code, out, errors]).toEqual([
    2,
    '',
    'The token must be one word, without anything before or after it.',
  ])
})

test('--help, and nothing at all, print the usage', async () => {
  for (const args of [['--help'], ['drain', '--help'], []])
    expect(await run(args, {})).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes') })
})
