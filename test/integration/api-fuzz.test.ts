import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { createRandom } from '../../shared/random.ts'
import { ApiRequestMutator } from '../support/api-request-mutator.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { seedFrom } from '../support/seed.ts'
import { kafkaAddress, schemaRegistryUrl, uniqueName } from '../support/services.ts'
import { WireClient, type WireReply } from '../support/wire-client.ts'

/** FUZZ_SEED repeats a run, FUZZ_CASES makes it longer, FUZZ_FROM=n FUZZ_CASES=1 sends one case of it alone. */
const seed = seedFrom('FUZZ_SEED')
const from = Number(process.env['FUZZ_FROM'] ?? 0)
const cases = Number(process.env['FUZZ_CASES'] ?? 10_000)
const connectionsPerTier = 12
/** Far beyond any limit of time that the processes run with: it only tells a hang. */
const answerTimeoutMs = 20_000
/**
 * The processes must not grow by more than this. They grow by some 50 MB at first, and stay so: sixty thousand cases
 * take no more than ten thousand.
 */
const growthMax = 400e6

/** Each in a group of its own: Kafka refuses commits of an assigned instance in a group that has members (50002). */
const groups = Array.from({ length: 6 }, () => uniqueName('api-fuzz'))
const subjects = {
  topic: uniqueName('api-fuzz'),
  group: uniqueName('api-fuzz'),
  instances: groups.map(group => `/consumers/${group}/instances/one`),
}
let node: LocalTier
let gateway: LocalTier

beforeAll(async () => {
  await createTopic(kafkaAddress(), subjects.topic)
  const deployment = newDeployment()
  const quiet = { 'access.log.enable': false }
  node = await startNode(deployment, 'fuzz-node', {
    ...quiet,
    'schema.registry.url': schemaRegistryUrl(),
    // Nothing that a fuzzed name could make a test wait for, or leave behind in the shared Kafka.
    'consumer.allow.auto.create.topics': false,
    'kafka.unknown.topic.doubt.ms': 0,
    'consumer.request.timeout.ms': 20,
    'subscription.wait.ms': 50,
    'commit.async.wait.ms': 50,
    'commit.timeout.ms': 2000,
  })
  gateway = await startGateway(deployment, 'fuzz-gateway', {
    ...quiet,
    // While the gateway is new it asks nodes about unknown instances; one that is busy would make it say 503.
    'node.question.timeout.ms': 10_000,
  })
  const created = await createSubjects()
  expect(created).toEqual(groups.map(() => 200))
})

/** The instances that requests are about, as far as they are not there. */
function createSubjects(): Promise<number[]> {
  const creating = groups.map(async (group, index) => {
    const format = ['json', 'binary', 'avro'][index % 3]
    const body = JSON.stringify({ name: 'one', format, 'auto.offset.reset': 'earliest' })
    return (await http({ base: gateway.url, method: 'POST', path: `/consumers/${group}`, body })).status
  })
  return Promise.all(creating)
}

afterAll(async () => {
  await Promise.all([gateway?.stop(), node?.stop()])
})

const joiningFailures: readonly string[] = [
  'The coordinator does not know this member of the group.',
  'The generation of the consumer group is not the current one.',
  'The group is rebalancing: members have to join again.',
]

/** The 5xx that contract v2 itself gives for what a client asked (§2.9, §2.13, §2.15, §3.1). */
function isContractFailure(code: number, message: string): boolean {
  // A commit of an instance that is still joining its group, for the first time or anew (v2 §2.15).
  if (code === 50002) return joiningFailures.includes(message)
  if (code === 50003) return / is not present in metadata\.$/.test(message)
  return code === 500 && message === 'Invalid embedded format STRING for new consumer.'
}

/** What is wrong with an answer to whatever a client sent; undefined when nothing is. */
function problemOf({ status, headers, text }: WireReply, isHead: boolean): string | undefined {
  if (/\n\s+at |\bat \S+ \(|node:internal|file:\/\/|\/[\w-]+\.(ts|js):\d+/.test(text)) return 'a stack trace'
  if (status < 400) return undefined
  if (isHead) return text === '' && status < 500 ? undefined : 'an answer to HEAD'
  const type = headers.get('content-type')
  // A produce answer keeps its shape when it is 401 or 403; nobody is here.
  if (type !== undefined && !type.includes('json')) return `the type ${type}`
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text) as Record<string, unknown>
  } catch {
    return 'a body that is no JSON'
  }
  const { error_code: code, message, ...more } = body
  if (typeof code !== 'number' || typeof message !== 'string' || Object.keys(more).length > 0)
    return 'the shape of the error'
  // 422 / 40001 is the contract's own exception (v2 §3.1).
  const agrees = code === status || Math.floor(code / 100) === status || (status === 422 && code === 40001)
  if (!agrees) return 'a code that does not fit its status'
  if (message === '') return 'an error without a text'
  return status >= 500 && !isContractFailure(code, message)
    ? 'a failure for a mistake of the client'
    : undefined
}

async function residentBytes(tier: LocalTier): Promise<number> {
  const { text } = await tier.admin('/metrics')
  return Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1])
}

const base = () => ({ base: node.url })

/** Mutants must not fill the node: it would answer 429 to all further ones. */
async function forget(reply: WireReply): Promise<void> {
  const created = /^\{"instance_id":.*"base_uri":"http:\/\/[^/]+(\/[^"]*)"\}$/.exec(reply.text)?.[1]
  if (reply.status === 200 && created) await http({ ...base(), method: 'DELETE', path: created })
}

test('mutated API requests get the right kind of answer, and leave both tiers whole', {
  timeout: 300_000 + cases * 30,
}, async () => {
  console.info(`API fuzz: FUZZ_SEED=${seed} FUZZ_FROM=${from} FUZZ_CASES=${cases}`)
  const before = await Promise.all([node, gateway].map(residentBytes))
  const statuses = new Map<number, number>()
  const problems: string[] = []
  let next = from
  const worker = async (tier: LocalTier) => {
    const client = new WireClient(tier.url)
    while (next < from + cases && problems.length < 10) {
      const index = next++
      // A generator for each case, so that one can be sent again alone.
      const random = createRandom(Math.imul(index + 1, 0x9e3779b1) ^ seed)
      const bytes = new ApiRequestMutator(random, subjects).draw()
      const sent = JSON.stringify(bytes.toString('latin1').slice(0, 3000))
      const failed = (text: string) =>
        problems.push(
          `FUZZ_SEED=${seed} FUZZ_FROM=${index} FUZZ_CASES=1 at ${tier.id}: ${text}\nsent: ${sent}`,
        )
      try {
        const reply = await client.ask(bytes, { timeoutMs: answerTimeoutMs })
        statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
        const problem = problemOf(reply, bytes.subarray(0, 5).toString() === 'HEAD ')
        if (problem) failed(`${problem}: ${reply.status} ${reply.text.slice(0, 500)}`)
        if (client.surplus !== '') failed(`more than one answer: ${client.surplus.slice(0, 200)}`)
        await forget(reply)
        // Or all that follows would only be told that its instance is gone.
        if (reply.status === 204 && bytes.subarray(0, 7).toString() === 'DELETE ') await createSubjects()
      } catch (error) {
        failed(String(error))
        client.close()
      }
    }
    client.close()
  }
  const begun = performance.now()
  await Promise.all(
    [node, gateway].flatMap(tier => Array.from({ length: connectionsPerTier }, () => worker(tier))),
  )
  const seconds = Math.round((performance.now() - begun) / 1000)
  console.info(`answered in ${seconds} s: ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`)
  expect(problems.join('\n\n')).toBe('')
  // A fuzzer that only meets refusals, or none, tests nothing.
  if (cases >= 1000)
    for (const status of [200, 204, 400, 404, 405, 406, 409, 415, 422])
      expect(statuses.get(status), `answers of ${status}`).toBeGreaterThan(10)
  const after = await Promise.all([node, gateway].map(residentBytes))
  for (const [index, tier] of [node, gateway].entries()) {
    const grown = (after[index] ?? Number.NaN) - (before[index] ?? Number.NaN)
    console.info(`${tier.id} grew by ${Math.round(grown / 1e6)} MB`)
    expect(grown, `${tier.id} grew`).toBeLessThan(growthMax)
    const errors = tier.log().filter(({ level, text }) => level === 'error' || level === 'fatal' || text)
    expect(errors, tier.id).toEqual([])
    expect((await tier.admin('/ready')).status).toBe(200)
  }
})
