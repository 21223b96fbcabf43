import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { binary, ConsumerClient, v2 } from '../support/consumer-client.ts'
import { ConsumerNode, internalToken } from '../support/consumer-node.ts'
import { FaultyRoutingTable } from '../support/faulty-routing-table.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

let node: ConsumerNode
let producer: RecordProducer

beforeAll(async () => {
  node = await ConsumerNode.start({ id: 'n1' })
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer.stop()
  await node.stop()
})

const gone = { error_code: 40403, message: 'Consumer instance not found.' }

describe('create - contract v2 §2.9', () => {
  test.each([undefined, '', ' \n', 'null', '{}'])(
    '§9.2: the body %j makes a binary instance with a drawn name',
    async body => {
      const group = uniqueName('g')
      const created = await node.request('POST', `/consumers/${group}`, body === undefined ? {} : { body })
      expect(created.status).toBe(200)
      expect(created.headers['content-type']).toBe(v2)
      expect(created.headers['location']).toBeUndefined()
      const { instance_id, base_uri } = created.json() as { instance_id: string; base_uri: string }
      expect(instance_id).toMatch(/^rest-consumer-n1-[0-9a-f-]{36}$/)
      expect(base_uri).toBe(`${node.url}/consumers/${group}/instances/${instance_id}`)
      const path = new URL(base_uri).pathname
      await node.request('POST', `${path}/subscription`, { body: { topics: [uniqueName('t')] } })
      const read = await node.request('GET', `${path}/records?timeout=1`)
      expect([read.status, read.headers['content-type'], read.text]).toEqual([200, binary, '[]'])
      // §9.10: DELETE on base_uri without headers.
      const deleted = await node.request('DELETE', path)
      expect([deleted.status, deleted.text, deleted.headers['content-type']]).toEqual([204, '', undefined])
    },
  )

  test.each([
    ['%2e', '.'],
    ['%2E.', '..'],
  ])(
    'the group %s is refused: a client would fold it away in base_uri (a deviation)',
    async (segment, group) => {
      const answer = await node.request('POST', `/consumers/${segment}`, { body: {} })
      expect([answer.status, answer.json()]).toEqual([
        422,
        { error_code: 422, message: `createGroup.arg1 must not be "." or ".." (was ${group})` },
      ])
    },
  )

  test('a group of more than 1000 bytes is refused: gateways and nodes could not name it (a deviation)', async () => {
    const create = (group: string) => node.request('POST', `/consumers/${group}`, { body: {} })
    expect((await create('x'.repeat(1000))).status).toBe(200)
    const answer = await create('%C3%A4'.repeat(501))
    expect([answer.status, answer.json()]).toEqual([
      422,
      { error_code: 422, message: 'createGroup.arg1 must not be longer than 1000 bytes' },
    ])
  })

  test('§9.3: both names may be given, and the older field wins', async () => {
    const created = await node.request('POST', `/consumers/${uniqueName('g')}/`, {
      body: { id: 'by-id', name: 'by-name', format: 'JSON' },
    })
    expect(created.json()).toMatchObject({ instance_id: 'by-id' })
  })

  test('§9.4: the drawn name of another instance is taken', async () => {
    const group = uniqueName('g')
    const first = (await node.request('POST', `/consumers/${group}`)).json() as { instance_id: string }
    const second = await node.request('POST', `/consumers/${group}`, { body: { name: first.instance_id } })
    expect(second.status).toBe(409)
    expect(second.json()).toEqual({
      error_code: 40902,
      message: 'Consumer with specified consumer ID already exists in the specified consumer group.',
    })
    const elsewhere = await node.request('POST', `/consumers/${uniqueName('g')}`, {
      body: { name: first.instance_id },
    })
    expect(elsewhere.status).toBe(200)
  })

  test('two creates of one name at once: one wins', async () => {
    const group = uniqueName('g')
    const create = () => node.request('POST', `/consumers/${group}`, { body: { name: 'one' } })
    const statuses = (await Promise.all([create(), create(), create()])).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 409, 409])
  })

  test.each([
    [{ name: '' }, 422, 422, /^createGroup\.<return value>\.instanceId must not be blank \(was \)$/],
    [{ name: '..' }, 422, 422, /name/],
    [{ name: 'x'.repeat(250) }, 422, 422, /name/],
    [{ format: 'xml' }, 422, 422, /^Invalid format type\.$/],
    [{ format: 'string' }, 500, 500, /^Invalid embedded format STRING for new consumer\.$/],
    [{ 'auto.offset.reset': 'nowhere' }, 422, 42204, /^Invalid consumer configuration: /],
    [{ 'auto.commit.enable': 'maybe' }, 422, 42204, /^Invalid consumer configuration: /],
    [{ 'fetch.min.bytes': 10000001 }, 422, 40001, /no more than 10000000$/],
    [{ 'isolation.level': 'x' }, 422, 422, /^Unrecognized field: isolation\.level$/],
    [{ 'fetch.min.bytes': 'many' }, 400, 400, /^Cannot deserialize value of type/],
  ])('%j is refused, and nothing stays behind', async (body, status, code, message) => {
    const group = uniqueName('g')
    const before = node.membership.size
    const created = await node.request('POST', `/consumers/${group}`, { body })
    expect(created.status).toBe(status)
    expect(created.json()).toMatchObject({ error_code: code, message: expect.stringMatching(message) })
    expect(node.membership.size).toBe(before)
  })

  test('the front of base_uri and a drawn name come from a gateway with the token, and from nobody else', async () => {
    const headers = {
      'kafka-rest-public-base': 'https://kafka.example/rest',
      'kafka-rest-drawn-name': 'drawn by a gateway',
    }
    const path = `/consumers/${encodeURIComponent(uniqueName('g/h'))}`
    const trusted = await node.request('POST', path, {
      headers: { ...headers, 'kafka-rest-internal-token': internalToken },
    })
    expect(trusted.json()).toEqual({
      instance_id: 'drawn by a gateway',
      base_uri: `https://kafka.example/rest${path}/instances/drawn%20by%20a%20gateway`,
    })
    const untrusted = await node.request('POST', path, { headers })
    expect(untrusted.json()).toMatchObject({ base_uri: expect.stringContaining(node.url) })
  })
})

describe('limits', () => {
  test('instances of a node and of a group are bounded, and deleting makes room', async () => {
    const small = await ConsumerNode.start({
      'consumer.instances.max': '3',
      'consumer.instances.per.group.max': '2',
    })
    try {
      const group = uniqueName('g')
      const create = (name: string, of = group) =>
        small.request('POST', `/consumers/${of}`, { body: { name } })
      await Promise.all([create('a'), create('b')])
      const full = await create('c')
      expect([full.status, full.json()]).toMatchObject([429, { error_code: 42911 }])
      expect(full.headers['retry-after']).toBeDefined()
      expect((await create('a', uniqueName('g'))).status).toBe(200)
      expect((await create('d', uniqueName('g'))).json()).toMatchObject({ error_code: 42910 })
      await small.request('DELETE', `/consumers/${group}/instances/a`)
      expect((await create('c')).status).toBe(200)
    } finally {
      await small.stop()
    }
  })

  test('a draining node accepts nothing new, and goes on with what it holds', async () => {
    const group = uniqueName('g')
    const client = await ConsumerClient.create(node.url, group, 'held')
    node.instances.drain()
    const refused = await node.request('POST', `/consumers/${group}`)
    node.instances.undrain()
    expect([refused.status, refused.json()]).toMatchObject([503, { error_code: 50313 }])
    expect((await client.subscribe(uniqueName('t'))).status).toBe(204)
    await client.delete()
    client.close()
  })
})

test('a name that is being given up by a draining node is refused only when it is free for another node', async () => {
  const table = new FaultyRoutingTable(new MemoryRoutingTable({ clock: systemClock }))
  const leaving = await ConsumerNode.start({}, { table })
  try {
    const client = await ConsumerClient.create(leaving.url, 'g', 'moving')
    const released = Promise.withResolvers<void>()
    table.holdAnswersOf('release', released.promise)
    leaving.instances.drain()
    const signal = AbortSignal.timeout(60_000)
    const gone = leaving.instances.letGo({ concurrency: 1, pauseMs: 0, signal })
    let answers = 0
    const created = leaving
      .request('POST', '/consumers/g', { body: { name: 'moving' } })
      .finally(() => (answers += 1))
    // One after it is answered: it has arrived.
    expect((await leaving.request('POST', '/consumers/g', { body: { name: 'other' } })).status).toBe(503)
    expect(answers).toBe(0)
    released.resolve()
    expect([(await created).status, (await created).json()]).toMatchObject([503, { error_code: 50313 }])
    expect((await table.find('g/moving')).placement).toBeUndefined()
    await gone
    client.close()
  } finally {
    await leaving.stop()
  }
})

describe('an instance that is not here', () => {
  test.each([
    ['DELETE', ''],
    ['GET', '/subscription'],
    ['DELETE', '/subscription'],
    ['GET', '/assignments'],
    ['GET', '/records'],
    ['POST', '/offsets'],
  ])('§9.6: %s %s is 404 / 40403', async (method, path) => {
    const response = await node.request(method, `/consumers/g/instances/nobody${path}`)
    expect([response.status, response.json()]).toEqual([404, gone])
    expect(response.headers['content-type']).toBe(path === '/records' ? binary : v2)
    expect(response.headers['kafka-rest-consumer-gone']).toBe('unknown')
  })

  test('a bad body is told first (contract v2 §1.5), but a gateway hears 421 before its body is read', async () => {
    const path = '/consumers/g/instances/nobody/subscription'
    expect((await node.request('POST', path, { body: '{' })).status).toBe(400)
    const headers = { 'kafka-rest-internal-token': internalToken }
    const misdirected = await node.request('POST', path, { body: '{', headers })
    expect([misdirected.status, misdirected.json()]).toMatchObject([421, { error_code: 421 }])
  })

  test('a request that comes while its instance is being opened waits for it: the table names the node already', async () => {
    const table = new FaultyRoutingTable(new MemoryRoutingTable({ clock: systemClock }))
    const opening = await ConsumerNode.start({}, { table })
    try {
      const answered = Promise.withResolvers<void>()
      table.holdAnswersOf('claim', answered.promise)
      const created = ConsumerClient.create(opening.url, 'g', 'early')
      await until('the instance is claimed', async () => (await table.find('g/early')).placement)
      const headers = { 'kafka-rest-internal-token': internalToken }
      let answers = 0
      const asked = opening
        .request('GET', '/consumers/g/instances/early/subscription', { headers })
        .finally(() => (answers += 1))
      // One after it on the same node is answered: it has arrived.
      expect(
        (await opening.request('GET', '/consumers/g/instances/other/subscription', { headers })).status,
      ).toBe(421)
      expect(answers).toBe(0)
      answered.resolve()
      expect([(await asked).status, (await asked).json()]).toEqual([200, { topics: [] }])
      ;(await created).close()
    } finally {
      await opening.stop()
    }
  })

  test('deleted: gone at once, and its name can be used again at once', async () => {
    const group = uniqueName('g')
    const client = await ConsumerClient.create(node.url, group, 'again')
    await client.subscribe(uniqueName('t'))
    const [deleted, missed] = await Promise.all([client.delete(), client.another().read()])
    expect(deleted.status).toBe(204)
    expect([200, 404]).toContain(missed.status)
    const after = await client.read()
    expect([after.status, after.json()]).toEqual([404, gone])
    expect(after.headers['kafka-rest-consumer-gone']).toBe('deleted')
    await ConsumerClient.create(node.url, group, 'again')
    client.close()
  })

  test('DELETE ends a read that waits: it answers 404', async () => {
    const client = await ConsumerClient.create(node.url, uniqueName('g'), 'waiting', {
      'consumer.request.timeout.ms': 30_000,
    })
    await client.subscribe(uniqueName('t'))
    const read = client.read()
    await until(
      'the read waits',
      async () => (await node.instances.find({ group: client.group, instance: 'waiting' }))?.idleMs === 0,
    )
    const other = client.another()
    expect((await other.delete()).status).toBe(204)
    const ended = await read
    expect([ended.status, ended.json()]).toEqual([404, gone])
    client.close()
    other.close()
  })
})

describe('expiry - contract v2 §4.1', () => {
  test('§9.11, §9.37: requests of any kind keep an instance alive; then it expires, commits and leaves', async () => {
    const table = new MemoryRoutingTable({ clock: systemClock })
    const brief = await ConsumerNode.start({ 'consumer.instance.timeout.ms': '5000' }, { table })
    const topic = uniqueName('t')
    const group = uniqueName('g')
    await createTopic(kafkaAddress(), topic)
    await producer.send(topic, [{ value: '1' }, { value: '2' }])
    try {
      const client = await ConsumerClient.create(brief.url, group, 'i', {
        'auto.commit.enable': 'true',
        'consumer.request.timeout.ms': 5500,
      })
      await client.subscribe(topic)
      await client.take(2)
      // Longer than the idle time-out in all, and each pause far shorter.
      for (let round = 0; round < 6; round++) {
        await new Promise(resolve => setTimeout(resolve, 1000))
        expect((await client.call('GET', `${client.base}/assignments`)).status).toBe(200)
      }
      // A read longer than the idle time-out does not let the instance expire.
      expect((await client.records()).length).toBe(0)
      const other = client.another()
      await until('the instance has expired', async () => {
        const instances = brief.instances
        return instances.goneReason({ group, instance: 'i' }) === 'expired'
      })
      const late = await other.read()
      expect([late.status, late.json()]).toEqual([404, gone])
      expect(late.headers['kafka-rest-consumer-gone']).toBe('expired')
      await until('the placement is released', () => brief.membership.size === 0)
      // Its last positions were confirmed by the requests in between, and committed; the group is free at once.
      const next = await ConsumerClient.create(brief.url, group, 'next')
      await next.subscribe(topic)
      expect(await next.committed(topic)).toBe(2)
      expect(next.group).toBe(group)
      client.close()
      other.close()
      next.close()
    } finally {
      await brief.stop()
    }
  })
})

test('a node that stops commits what was confirmed, leaves the groups and releases the placements', async () => {
  const topic = uniqueName('t')
  const group = uniqueName('g')
  await createTopic(kafkaAddress(), topic)
  await producer.send(topic, [{ value: '1' }, { value: '2' }])
  const stopping = await ConsumerNode.start()
  const client = await ConsumerClient.create(stopping.url, group, 'i', { 'auto.commit.enable': 'true' })
  await client.subscribe(topic)
  await client.take(2)
  await client.records('?timeout=1')
  client.close()
  await stopping.instances.stop()
  expect(stopping.membership.size).toBe(0)
  await stopping.stop()
  const next = await ConsumerClient.create(node.url, group, 'other')
  await next.subscribe(topic)
  expect(await next.committed(topic)).toBe(2)
  const assigned = await next.call('GET', `${next.base}/assignments`)
  expect(assigned.json()).toEqual({ partitions: [{ topic, partition: 0 }] })
  next.close()
})
