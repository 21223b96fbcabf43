import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { binary, ConsumerClient, v2 } from '../support/consumer-client.ts'
import type { RawResponse } from '../support/http-client.ts'
import { ProduceNode } from '../support/produce-node.ts'
import { SecuredKafka, type User } from '../support/secured-kafka.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** What clients are told when the brokers' ACLs deny something: 403 / 40301 with Kafka's text (contract v2 §3.3, §9 25). */

let kafka: SecuredKafka
const nodes = new Map<User, ProduceNode>()
const clients: ConsumerClient[] = []

beforeAll(async () => {
  kafka = await SecuredKafka.start()
  for (const user of ['all', 'writer', 'reader', 'seer', 'groupless', 'nobody'] as const)
    nodes.set(
      user,
      await ProduceNode.start({
        ...kafka.settings,
        ...kafka.login('client', user),
        'subscription.wait.ms': '3000',
        'membership.problem.retry.ms': '100',
      }),
    )
  const produced = await as('all').produce(`/topics/${kafka.topic}`, { records: [{ value: 'one' }] })
  expect(produced.status).toBe(200)
})

afterAll(async () => {
  for (const client of clients) client.close()
  await Promise.all([...nodes.values()].map(node => node.stop()))
  await kafka?.stop()
})

function as(user: User): ProduceNode {
  const node = nodes.get(user)
  if (!node) throw new Error(`nobody is ${user}`)
  return node
}

/** An instance of the user's in a group that there are rights for. Creating one needs no right (contract v2 §2.9). */
async function consumer(user: User, group = uniqueName(kafka.topic), format = 'json') {
  const client = await ConsumerClient.create(as(user).url, group, 'one', { format })
  clients.push(client)
  return client
}

const noTopic = () => `Not authorized to access topics: [${kafka.topic}]`
const noGroup = ({ group }: ConsumerClient) => `Not authorized to access group: ${group}`

function expectDenied({ status, headers, text }: RawResponse, message: string, type = v2): void {
  expect([status, headers['content-type'], JSON.parse(text)]).toEqual([
    403,
    type,
    { error_code: 40301, message },
  ])
}

/** A consumer that joins its group hears of the missing right in the background. */
function denied(ask: () => Promise<RawResponse>): Promise<RawResponse> {
  return until('the broker’s refusal', async () => {
    const answer = await ask()
    return answer.status === 200 ? undefined : answer
  })
}

describe('reading', () => {
  test('§9 25: without any right creating and subscribing succeed, and the read is denied, in the type it asked for', async () => {
    const client = await consumer('nobody', undefined, 'binary')
    expect((await client.subscribe(kafka.topic)).status).toBe(204)
    const answer = await denied(() => client.read())
    expect([answer.status, answer.headers['content-type']]).toEqual([403, binary])
    const { error_code: code, message } = answer.json() as { error_code: number; message: string }
    expect(code).toBe(40301)
    expect(message).toBe(noTopic())
  })

  test('a topic that may be seen and not read', async () => {
    for (const subscribe of [true, false]) {
      const client = await consumer('seer')
      if (subscribe) await client.subscribe(kafka.topic)
      else await client.assign([kafka.topic, 0])
      expectDenied(await denied(() => client.read()), noTopic(), 'application/vnd.kafka.json.v2+json')
    }
  })

  test('a group that may not be joined', async () => {
    const client = await consumer('groupless')
    expect((await client.subscribe(kafka.topic)).status).toBe(204)
    expectDenied(await denied(() => client.read()), noGroup(client), 'application/vnd.kafka.json.v2+json')
  })

  test('with the rights that it needs it reads, so that the tests above mean something', async () => {
    const client = await consumer('reader')
    await client.subscribe(kafka.topic)
    expect((await client.take(1))[0]?.value).toBe('one')
  })
})

describe('offsets and positions', () => {
  const partition = () => ({ topic: kafka.topic, partition: 0 })

  test('committing to a group without rights, and asking for its offsets', async () => {
    const client = await consumer('groupless')
    await client.assign([kafka.topic, 0])
    expectDenied(await client.commit({ offsets: [{ ...partition(), offset: 0 }] }), noGroup(client))
    const asked = await client.call('GET', `${client.base}/offsets`, { partitions: [partition()] })
    expectDenied(asked, noGroup(client))
  })

  test('committing for a topic that may not be read', async () => {
    const client = await consumer('seer')
    await client.assign([kafka.topic, 0])
    expectDenied(await client.commit({ offsets: [{ ...partition(), offset: 0 }] }), noTopic())
  })

  test('seeking to an end of a topic that may not be seen', async () => {
    const client = await consumer('nobody')
    await client.assign([kafka.topic, 0])
    for (const end of ['beginning', 'end']) {
      const body = { partitions: [partition()] }
      const sought = await client.call('POST', `${client.base}/positions/${end}`, body)
      // Where to go is looked up by the next read, as in Kafka's own client.
      const answer = sought.status === 204 ? await denied(() => client.read()) : sought
      expect([answer.status, answer.json()]).toMatchObject([403, { error_code: 40301, message: noTopic() }])
    }
  })

  test('the offsets of a partition', async () => {
    const path = `/topics/${kafka.topic}/partitions/0/offsets`
    expectDenied(await as('nobody').request('GET', path), noTopic())
    expect((await as('reader').request('GET', path)).json()).toEqual({ beginning_offset: 0, end_offset: 1 })
  })
})

describe('metadata', () => {
  test('topics that may not be seen are not listed, and asking for one is denied', async () => {
    const node = as('nobody')
    expect((await node.request('GET', '/topics')).json()).toEqual([])
    for (const path of ['', '/partitions', '/partitions/0', '/partitions/0/offsets'])
      expectDenied(await node.request('GET', `/topics/${kafka.topic}${path}`), noTopic())
    // Nor does anybody learn so whether a topic exists.
    const none = uniqueName('none')
    expectDenied(
      await node.request('GET', `/topics/${none}/partitions`),
      `Not authorized to access topics: [${none}]`,
    )
  })

  test('a topic that may be seen, without its configs', async () => {
    const node = as('seer')
    expect((await node.request('GET', '/topics')).json()).toEqual([kafka.topic])
    expect((await node.request('GET', `/topics/${kafka.topic}/partitions`)).status).toBe(200)
    expectDenied(await node.request('GET', `/topics/${kafka.topic}`), noTopic())
  })

  test('brokers need no right', async () => {
    expect((await as('nobody').request('GET', '/brokers')).json()).toEqual({ brokers: [1] })
  })
})

describe('producing', () => {
  test('§9 26: 403 with the answer of a produce, one error a record', async () => {
    for (const user of ['nobody', 'reader', 'seer'] as const) {
      const body = { records: [{ value: 1 }, { value: 2 }] }
      const answer = await as(user).produce(`/topics/${kafka.topic}`, body)
      const record = { partition: null, offset: null, error_code: 40301, error: noTopic() }
      expect([answer.status, answer.headers['content-type'], answer.json()], user).toEqual([
        403,
        v2,
        { offsets: [record, record], key_schema_id: null, value_schema_id: null },
      ])
    }
  })

  test('the right to write is enough', async () => {
    const answer = await as('writer').produce(`/topics/${kafka.topic}`, { records: [{ value: 1 }] })
    expect(answer.json()).toMatchObject({ offsets: [{ error: null }] })
  })
})
