import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { admitBody } from '../../shared/http/body-admission.ts'
import type { HttpEnv } from '../../shared/http/listen.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import { createRandom } from '../../shared/random.ts'
import { answersIn, jsonResponse, openListener } from '../support/http-listener.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RequestMutator } from '../support/request-mutator.ts'
import { seedFrom } from '../support/seed.ts'
import { until } from '../support/until.ts'

/** FUZZ_SEED repeats a run, FUZZ_CASES makes it longer. */
const seed = seedFrom('FUZZ_SEED')
const cases = Number(process.env['FUZZ_CASES'] ?? 10_000)
const atOnce = 250

const good = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
/** What a client's mistake may be answered with below the app, and what the app may say besides. */
const listenerStatuses = [100, 200, 400, 408, 413, 417, 431]
const appStatuses = [404, 405, 406, 415, 422]
const limits = {
  // With time enough to read what hundreds of connections bring at once.
  'request.head.timeout.ms': 1000,
  'request.receive.timeout.ms': 1000,
  // Longer: it closes without a word.
  'response.write.timeout.ms': 3000,
  'access.log.enable': false,
}

/** What is shot at: each takes its turn. */
interface Target {
  readonly name: string
  readonly url: string
  readonly statuses: ReadonlySet<number>
}

let node: LocalTier
let behind: LocalTier
let gateway: LocalTier

beforeAll(async () => {
  node = await startNode(newDeployment(), 'fuzz-node', limits)
  const deployment = newDeployment()
  // With time enough: a gateway on a busy machine is no slow client.
  behind = await startNode(deployment, 'fuzz-behind', { 'access.log.enable': false })
  // While the gateway is new it asks nodes about unknown instances; one that is busy would make it say 503.
  gateway = await startGateway(deployment, 'fuzz-gateway', { ...limits, 'node.question.timeout.ms': 10_000 })
})

afterAll(async () => {
  await Promise.all([gateway, behind, node].map(tier => tier?.stop()))
})

async function app(_: Request, { incoming, outgoing }: HttpEnv): Promise<Response> {
  if (incoming.url?.startsWith('/early')) return jsonResponse({ early: true }, 413)
  admitBody(incoming, outgoing)
  let bytes = 0
  try {
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) bytes += chunk.length
  } catch {
    // What a handler does with a body that ends early.
    return jsonResponse({ error_code: 40014, message: 'ended' }, 400)
  }
  return jsonResponse({ method: incoming.method, target: incoming.url, bytes })
}

/**
 * Sends one case, then a good request as soon as there is an answer, and waits for the end of the connection.
 */
async function run(url: string, pieces: readonly string[]): Promise<string> {
  const connection = await RawConnection.open(url)
  for (const piece of pieces) {
    connection.send(piece)
    if (pieces.length > 1) await new Promise(resolve => setImmediate(resolve))
  }
  await until('an answer or the end', () => connection.closed || connection.received !== '', {
    intervalMs: 2,
  })
  if (!connection.closed) connection.send(good)
  // What was sent may have been the rest of a body that was waited for: then nobody has asked for the end yet.
  const again = setInterval(() => connection.send(good), 2000)
  try {
    await connection.ended()
  } catch (cause) {
    const seen = `${JSON.stringify(pieces)} got ${JSON.stringify(connection.received)}`
    throw new Error(`${url} did not end the connection: ${seen}`, { cause })
  } finally {
    clearInterval(again)
  }
  return connection.received
}

function check(received: string, sent: string, { statuses }: Target): void {
  // No body here is empty, so what follows the head of an answer to HEAD is easy to tell.
  const isHead = (rest: string) => /HEAD/i.test(sent) && (rest === '' || rest.startsWith('HTTP/'))
  const answers = answersIn(received, isHead, /HTTP\/1\.0/i.test(sent))
  for (const { status, head, body } of answers) {
    if (!statuses.has(status)) throw new Error(`status ${status}`)
    if (/<html|<!doctype|\n\s+at |node:|Error:/i.test(body))
      throw new Error(`a body of Node's or hono's: ${body}`)
    if (status === 100 || body === '') continue
    // The contract has some of these without a type (v2 §1.6).
    const isBare = status >= 404 && status <= 406 && !/\r\ncontent-type:/i.test(head)
    if (!isBare && !/\r\ncontent-type: application\/([a-z.0-9]+\+)?json\r\n/i.test(head))
      throw new Error(`no JSON: ${head}`)
    if (status >= 400 && !body.startsWith('{"early"'))
      expect(JSON.parse(body)).toMatchObject({ error_code: expect.any(Number) })
  }
}

/** Tells a request that was answered with another one's answer, too: at a tier, `GET /` is `{}`. */
async function isServed({ url }: Target): Promise<boolean> {
  const [answer] = answersIn(await run(url, [good]))
  return answer?.status === 200 && (answer.body === '{}' || answer.body.includes('"target":"/"'))
}

test(`${cases} hostile requests to a listener, a node and a gateway: no crash, no hang, no 5xx, nothing but our answers`, {
  timeout: 120_000 + cases * 30,
}, async () => {
  console.info(`HTTP fuzz: FUZZ_SEED=${seed} FUZZ_CASES=${cases}`)
  const logged: unknown[] = []
  const note = (fields: unknown) => void logged.push(fields)
  const quiet = () => undefined
  const log: Logger = {
    trace: quiet,
    debug: quiet,
    info: quiet,
    warn: note,
    error: note,
    fatal: note,
    child: () => log,
  }
  const listener = await openListener(app, {
    log,
    headTimeoutMs: limits['request.head.timeout.ms'],
    requestTimeoutMs: limits['request.receive.timeout.ms'],
    writeTimeoutMs: limits['response.write.timeout.ms'],
  })
  const both = new Set([...listenerStatuses, ...appStatuses])
  const targets: readonly Target[] = [
    { name: 'listener', url: listener.url, statuses: new Set(listenerStatuses) },
    { name: 'node', url: node.url, statuses: both },
    { name: 'gateway', url: gateway.url, statuses: both },
  ]
  const tallies = new Map(targets.map(({ name }) => [name, new Map<number, number>()]))
  const mutator = new RequestMutator(createRandom(seed))
  for (let begun = 0; begun < cases; begun += atOnce) {
    const batch = Array.from({ length: Math.min(atOnce, cases - begun) }, () => mutator.draw())
    await Promise.all(
      batch.map(async (pieces, index) => {
        const target = targets[(begun + index) % targets.length]
        if (!target) throw new Error('no target')
        const received = await run(target.url, pieces)
        try {
          check(received, pieces.join(''), target)
        } catch (cause) {
          const sent = JSON.stringify(pieces)
          const what = `FUZZ_SEED=${seed} FUZZ_CASES=${cases}, case ${begun + index} at the ${target.name}`
          throw new Error(`${what}: ${sent} got ${JSON.stringify(received)}`, { cause })
        }
        const status = Number(received.slice(9, 12))
        const tally = tallies.get(target.name)
        tally?.set(status, (tally.get(status) ?? 0) + 1)
      }),
    )
    for (const target of targets)
      await until(`a good request to be served by the ${target.name}`, () => isServed(target))
  }
  for (const [name, tally] of tallies) {
    console.info(`first statuses of the ${name}`, Object.fromEntries([...tally].sort(([a], [b]) => a - b)))
    // Closed without a word: nothing was sent, or the machine was too slow to read it in time.
    expect(tally.get(0) ?? 0, name).toBeLessThan(cases / targets.length / 20)
    // The cases reach the app and the rules alike, or they would show little.
    if (cases >= 1000)
      for (const status of [200, 400, 408])
        expect(tally.get(status), `${status} of the ${name}`).toBeGreaterThan(cases / targets.length / 100)
  }
  expect(logged).toEqual([])
  await until('nothing to be left', () => listener.inFlight === 0 && listener.connections === 0)
  for (const tier of [node, behind, gateway]) {
    const errors = tier.log().filter(({ level, text }) => level === 'error' || level === 'fatal' || text)
    expect(errors, tier.id).toEqual([])
    expect((await tier.admin('/ready')).status).toBe(200)
  }
})
