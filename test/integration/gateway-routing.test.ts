import { afterEach, describe, expect, test } from 'vitest'
import { type RunningGateway, startGateway } from '../../gateway/program.ts'
import { gatewaySettings } from '../../gateway/settings.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { type RoutingTable, RoutingTableUnavailable } from '../../shared/routing/routing-table.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { http } from '../support/http-client.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { StandInNode } from '../support/stand-in-node.ts'
import { until } from '../support/until.ts'

const token = 'test-token'
const v2 = 'application/vnd.kafka.v2+json'

/** Everything that a test started, stopped in the reverse order. */
const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function gateway(table: RoutingTable | undefined, settings: Record<string, string> = {}) {
  const file = new Map(
    Object.entries({
      listeners: 'http://127.0.0.1:0',
      'admin.listener': 'http://127.0.0.1:0',
      'internal.token': token,
      'members.refresh.interval.ms': '50',
      'lease.ms': '500',
      'read.outcome.quiet.ms': '20',
      'node.question.timeout.ms': '2000',
      ...settings,
    }),
  )
  const loaded = loadSettings(gatewaySettings, file, {})
  const started = await startGateway(loaded.settings, {
    log: silentLogger,
    clock: systemClock,
    ...(table ? { routingTable: table } : {}),
  })
  stops.push(() => started.stop())
  return started
}

async function node(table: RoutingTable, id: string, more: Partial<{ zone: string; leaseMs: number }> = {}) {
  const started = await StandInNode.start({ id, table, token, ...more })
  stops.push(() => started.kill())
  return started
}

/** A table that can be cut off. */
class CutTable extends MemoryRoutingTable {
  cut = false

  override async find(key: string) {
    if (this.cut) throw new RoutingTableUnavailable('cut off')
    return super.find(key)
  }

  override async members() {
    if (this.cut) throw new RoutingTableUnavailable('cut off')
    return super.members()
  }
}

async function system(
  nodeCount: number,
  settings: Record<string, string> = {},
  more: Parameters<typeof node>[2] = {},
) {
  const table = new CutTable({ clock: systemClock })
  const nodes: StandInNode[] = []
  for (let index = 1; index <= nodeCount; index++) nodes.push(await node(table, `node-${index}`, more))
  const entry = await gateway(table, settings)
  return { table, nodes, entry }
}

async function create(
  entry: RunningGateway,
  group: string,
  name?: string,
  headers: Record<string, string> = {},
) {
  return http({
    base: entry.url,
    method: 'POST',
    path: `/consumers/${group}`,
    headers: { 'Content-Type': v2, ...headers },
    ...(name === undefined ? {} : { body: JSON.stringify({ name }) }),
  })
}

function records(
  entry: RunningGateway,
  group: string,
  name: string,
  extra: Partial<Parameters<typeof http>[0]> = {},
) {
  return http({ base: entry.url, path: `/consumers/${group}/instances/${name}/records`, ...extra })
}

function holderOf(nodes: StandInNode[], key: string): StandInNode {
  const holder = nodes.find(candidate => candidate.held.has(key))
  if (!holder) throw new Error(`nobody holds ${key}`)
  return holder
}

describe('creating and finding', () => {
  test('300 consumers through two gateways: each node has its share, each request reaches its owner', async () => {
    const { table, nodes, entry } = await system(3)
    const other = await gateway(table)
    // All at once: nobody can see yet what the others have placed where.
    const creating = Array.from({ length: 300 }, async (_, index) => {
      const front = index % 2 === 0 ? entry : other
      const answer = await create(front, 'g')
      expect(answer.status).toBe(200)
      const { instance_id, base_uri } = answer.json() as { instance_id: string; base_uri: string }
      expect(base_uri).toBe(`${front.url}/consumers/g/instances/${instance_id}`)
      return instance_id
    })
    const names = await Promise.all(creating)
    for (const { held } of nodes) {
      expect(held.size).toBeGreaterThanOrEqual(60)
      expect(held.size).toBeLessThanOrEqual(140)
    }
    for (const [index, name] of names.entries()) {
      const answer = await records(index % 2 === 0 ? other : entry, 'g', name)
      expect(answer.status).toBe(200)
      expect((answer.json() as { node: string }).node).toBe(holderOf(nodes, `g/${name}`).id)
    }
  })

  test('the body passes unchanged; a drawn name carries the id of the gateway', async () => {
    const { nodes, entry } = await system(1, { id: 'gw-1' })
    await create(entry, 'g', 'mine')
    await create(entry, 'g')
    const [named, drawn] = nodes[0]?.seen ?? []
    expect(named?.body).toBe('{"name":"mine"}')
    expect(named?.headers['kafka-rest-drawn-name']).toBeUndefined()
    expect(drawn?.body).toBe('')
    expect(drawn?.headers['kafka-rest-drawn-name']).toMatch(/^rest-consumer-gw-1-[0-9a-f-]{36}$/)
  })

  test.each([
    ['unreadable', '{'],
    ['over 64 KiB', JSON.stringify({ name: 'x'.repeat(70_000) })],
    ['with a name that is refused', '{"name":".."}'],
  ])('a create body that is %s goes to a node as it is', async (_, body) => {
    const { nodes, entry } = await system(2)
    const bodies: string[] = []
    for (const each of nodes)
      each.override = (incoming, outgoing) => {
        const chunks: Buffer[] = []
        incoming.on('data', chunk => chunks.push(chunk))
        incoming.on('end', () => {
          bodies.push(Buffer.concat(chunks).toString())
          outgoing.writeHead(422).end('{"error_code":422}')
        })
        return true
      }
    const answer = await http({ base: entry.url, method: 'POST', path: '/consumers/g', body })
    expect([answer.status, answer.text]).toEqual([422, '{"error_code":422}'])
    expect(bodies).toEqual([body])
  })

  test('an instance that was created on a node directly is found through the gateway', async () => {
    const { nodes, entry } = await system(2)
    const [first] = nodes
    const direct = await http({
      base: first?.url ?? '',
      method: 'POST',
      path: '/consumers/g',
      body: '{"name":"d"}',
    })
    expect(direct.status).toBe(200)
    expect((await records(entry, 'g', 'd')).status).toBe(200)
  })

  test('a name that lives is refused by its owner, whatever the ring says', async () => {
    const { nodes, entry } = await system(3)
    const [, second] = nodes
    await http({ base: second?.url ?? '', method: 'POST', path: '/consumers/g', body: '{"name":"taken"}' })
    for (let round = 0; round < 3; round++) expect((await create(entry, 'g', 'taken')).status).toBe(200)
    // The stand-in claims its own placement anew: no other node was asked.
    expect(nodes.filter(each => each.held.has('g/taken'))).toEqual([second])
  })

  test('a node that refuses a new instance is passed over; when all do, its answer is passed on', async () => {
    const { nodes, entry } = await system(3)
    const refuse: StandInNode['override'] = (_, outgoing) => {
      outgoing.writeHead(429, { 'Kafka-Rest-Refused': 'yes', 'Retry-After': '1' }).end('{"error_code":42910}')
      return true
    }
    const [open, ...full] = nodes
    for (const each of full) each.override = refuse
    for (let index = 0; index < 10; index++) {
      const answer = await create(entry, 'g', `n${index}`)
      expect([answer.status, open?.held.has(`g/n${index}`)]).toEqual([200, true])
    }
    for (const each of nodes) each.override = refuse
    const answer = await create(entry, 'g', 'none')
    expect([answer.status, answer.text]).toEqual([429, '{"error_code":42910}'])
    expect(answer.headers).not.toHaveProperty('kafka-rest-refused')
  })

  test('names with slashes and dots reach their instance', async () => {
    const { entry } = await system(2)
    for (const name of ['a/b', 'a%2Fb', '%2e', 'ü ']) {
      expect((await create(entry, 'g%2Fh', name)).status).toBe(200)
      expect((await records(entry, 'g%2Fh', encodeURIComponent(name))).status).toBe(200)
    }
  })

  test('base_uri names the public address: setting, trusted headers, Host', async () => {
    const { table, entry } = await system(1, { 'forwarded.trusted': '127.0.0.0/8' })
    const uri = async (front: RunningGateway, headers: Record<string, string>) =>
      ((await create(front, 'g', undefined, headers)).json() as { base_uri: string }).base_uri
    const forwarded = { Forwarded: 'for=192.0.2.1;host=kafka.example;proto=https' }
    expect(await uri(entry, forwarded)).toMatch(/^https:\/\/kafka\.example\/consumers\/g/)
    expect(await uri(entry, { Host: 'outer:1234' })).toMatch(/^http:\/\/outer:1234\/consumers\/g/)
    const strict = await gateway(table)
    expect(await uri(strict, { ...forwarded, Host: 'h:1' })).toMatch(/^http:\/\/h:1\//)
    const fixed = await gateway(table, { 'public.url': 'https://fixed.example/kafka/' })
    expect(await uri(fixed, forwarded)).toMatch(/^https:\/\/fixed\.example\/kafka\/consumers\/g/)
  })
})

describe('instances that are gone or moved', () => {
  test('an unknown instance: any node answers, without our token', async () => {
    const { nodes, entry } = await system(2)
    const answer = await records(entry, 'g', 'nobody')
    expect(nodes.flatMap(each => each.seen)).toEqual([])
    expect(answer.status).toBe(404)
    expect(answer.json()).toEqual({ error_code: 40403, message: 'Consumer instance not found.' })
    expect(answer.headers['kafka-rest-consumer-gone']).toBe('unknown')
  })

  test('a deleted instance says so', async () => {
    const { entry } = await system(2)
    await create(entry, 'g', 'short')
    const gone = await http({ base: entry.url, method: 'DELETE', path: '/consumers/g/instances/short' })
    expect(gone.status).toBe(204)
    const answer = await records(entry, 'g', 'short')
    expect([answer.status, answer.headers['kafka-rest-consumer-gone']]).toEqual([404, 'deleted'])
  })

  /** An instance that moved after the gateway had cached where it was. */
  async function moved() {
    const { nodes, entry } = await system(2)
    await create(entry, 'g', 'moving')
    const path = '/consumers/g/instances/moving/subscription'
    await http({ base: entry.url, method: 'POST', path, body: '{"topics":["a"]}' })
    const from = holderOf(nodes, 'g/moving')
    const to = nodes.find(each => each !== from)
    await to?.takeOver('g/moving', from)
    return { entry, path, to }
  }

  test('an instance that moved is found again with its body, at the cost of one look-up', async () => {
    const { entry, path, to } = await moved()
    const answer = await http({ base: entry.url, method: 'POST', path, body: '{"topics":["b"]}' })
    expect(answer.status).toBe(200)
    expect(answer.json()).toMatchObject({ node: to?.id, body: '{"topics":["b"]}' })
    expect(to?.seen.at(-1)?.trusted).toBe(true)
  })

  test('a body too large to be held cannot be sent again: 503, and the client’s next try reaches the new holder', async () => {
    const { entry, path, to } = await moved()
    const body = JSON.stringify({ topics: ['x'.repeat(70_000)] })
    expect((await http({ base: entry.url, method: 'POST', path, body })).status).toBe(503)
    const answer = await http({ base: entry.url, method: 'POST', path, body })
    expect([answer.status, answer.json()]).toMatchObject([200, { node: to?.id }])
  })

  test('an instance that is gone is 404, not 503, though its body is too large to be held and its place was cached', async () => {
    const { nodes, entry } = await system(2)
    await create(entry, 'g', 'short')
    const path = '/consumers/g/instances/short/subscription'
    await http({ base: entry.url, method: 'POST', path, body: '{"topics":["a"]}' })
    const holder = holderOf(nodes, 'g/short')
    // At its node: the gateway hears nothing of it.
    await http({ base: holder.url, method: 'DELETE', path: '/consumers/g/instances/short' })
    const body = JSON.stringify({ topics: ['x'.repeat(70_000)] })
    const answer = await http({ base: entry.url, method: 'POST', path, body })
    expect([answer.status, answer.json()]).toMatchObject([404, { error_code: 40403 }])
    expect(answer.headers['kafka-rest-consumer-gone']).toBe('deleted')
  })

  test('a node that was killed: 40403 at once through every gateway, and the name can be created again', async () => {
    // The lease outlives the test, however slow the machine: the death must be proved, not waited for.
    const { table, nodes, entry } = await system(3, {}, { leaseMs: 60_000 })
    const other = await gateway(table)
    await create(entry, 'g', 'phoenix')
    expect((await records(entry, 'g', 'phoenix')).status).toBe(200)
    expect((await records(other, 'g', 'phoenix')).status).toBe(200)
    const victim = holderOf(nodes, 'g/phoenix')
    const before = nodes.reduce((sum, each) => sum + each.questions.length, 0)
    await victim.kill()
    for (const front of [entry, other]) {
      // A request that was on its way when the node died may see 502; the next one is told.
      const answer = await until('40403', async () => {
        const tried = await records(front, 'g', 'phoenix')
        return tried.status === 404 && tried
      })
      expect(answer.json()).toEqual({ error_code: 40403, message: 'Consumer instance not found.' })
      expect(answer.headers['kafka-rest-consumer-gone']).toBe('owner-lost')
    }
    // Its lease lives on: it was proved, by the gateway and by another node.
    expect((await table.members()).members.map(({ id }) => id)).toContain(victim.id)
    expect(nodes.reduce((sum, each) => sum + each.questions.length, 0)).toBeGreaterThan(before)
    expect((await create(entry, 'g', 'phoenix')).status).toBe(200)
    const answer = await records(other, 'g', 'phoenix')
    expect(answer.status).toBe(200)
    expect((answer.json() as { node: string }).node).not.toBe(victim.id)
  })

  test('a refused connection that the other node does not see is no proof: 503, and the instance stays', async () => {
    // The lease outlives the test: its end would be proof.
    const { nodes, entry } = await system(2, {}, { leaseMs: 60_000 })
    await create(entry, 'g', 'alive')
    expect((await records(entry, 'g', 'alive')).status).toBe(200)
    const owner = holderOf(nodes, 'g/alive')
    const witness = nodes.find(each => each !== owner)
    if (witness) witness.answersQuestions = false
    await owner.kill()
    const answer = await until('503', async () => {
      const tried = await records(entry, 'g', 'alive')
      return tried.status !== 502 && tried
    })
    expect(answer.status).toBe(503)
    expect(answer.json()).toMatchObject({ error_code: 50311 })
    expect(answer.headers['retry-after']).toBe('1')
  })

  test('a lease that ran out is proof: 40403', async () => {
    const table = new MemoryRoutingTable({ clock: systemClock })
    // Many renewals long: a busy machine must not let it run out while it is renewed.
    const silent = await node(table, 'node-1', { leaseMs: 3000 })
    await node(table, 'node-2')
    const entry = await gateway(table)
    await http({ base: silent.url, method: 'POST', path: '/consumers/g', body: '{"name":"x"}' })
    expect((await records(entry, 'g', 'x')).status).toBe(200)
    // As a paused process: the socket is there, and nobody answers.
    silent.stopRenewing()
    silent.answersQuestions = false
    silent.override = () => true
    const waiting = records(entry, 'g', 'x')
    const answer = await until('40403', async () => {
      const tried = await records(entry, 'g', 'x')
      return tried.status === 404 && tried
    })
    expect(answer.headers['kafka-rest-consumer-gone']).toBe('owner-lost')
    // The read that waited at the paused node is given up too.
    expect((await waiting).json()).toMatchObject({ error_code: 50210 })
  })
})

describe('without the routing table', () => {
  test('known instances go on; unknown ones are found by asking the nodes', async () => {
    const { table, nodes, entry } = await system(3)
    await create(entry, 'g', 'known')
    expect((await records(entry, 'g', 'known')).status).toBe(200)
    await http({
      base: nodes[1]?.url ?? '',
      method: 'POST',
      path: '/consumers/g',
      body: '{"name":"foreign"}',
    })
    table.cut = true
    expect((await records(entry, 'g', 'known')).status).toBe(200)
    expect((await records(entry, 'g', 'foreign')).json()).toMatchObject({ node: 'node-2' })
    expect((await http({ base: entry.url, path: '/topics' })).status).toBe(200)
    const nobody = await records(entry, 'g', 'nobody')
    expect([nobody.status, nobody.headers['kafka-rest-consumer-gone']]).toEqual([404, 'unknown'])
    // One that does not answer could hold it.
    for (const each of nodes.slice(0, 1)) each.answersQuestions = false
    const unsure = await records(entry, 'g', 'nobody')
    expect(unsure.status).toBe(503)
    expect(unsure.json()).toMatchObject({ error_code: 50312 })
  })

  test('an instance that was recreated elsewhere after its node died is found, though the cache names the dead one', async () => {
    const { table, nodes, entry } = await system(3)
    await create(entry, 'g', 'moved')
    expect((await records(entry, 'g', 'moved')).status).toBe(200)
    const from = holderOf(nodes, 'g/moved')
    const to = nodes.find(each => each !== from)
    table.cut = true
    // Through another gateway, which can see the table.
    await to?.takeOver('g/moved', from)
    await from.kill()
    // A connection that was reset with the node may cost one 502.
    const answer = await until('an answer', async () => {
      const tried = await records(entry, 'g', 'moved')
      return tried.status !== 502 && tried
    })
    expect([answer.status, answer.json()]).toMatchObject([200, { node: to?.id }])
  })

  test('an instance that its node could not write to the table yet is found, though the table can be read', async () => {
    const { nodes, entry } = await system(3)
    nodes[2]?.held.set('g/early', { node: 'node-3', incarnation: nodes[2].incarnation, token: 1 })
    expect((await records(entry, 'g', 'early')).json()).toMatchObject({ node: 'node-3' })
    expect((await records(entry, 'g', 'nobody')).status).toBe(404)
  })

  test('a table that comes back empty loses no instance', async () => {
    const { table, entry } = await system(2)
    await create(entry, 'g', 'kept')
    table.clear()
    expect((await records(entry, 'g', 'kept')).status).toBe(200)
    const fresh = await gateway(table)
    await until('a fresh gateway to find it', async () => (await records(fresh, 'g', 'kept')).status === 200)
  })

  test('a gateway that starts without the table works with the static list', async () => {
    const { table, nodes, entry } = await system(2)
    await create(entry, 'g', 'there')
    const list = nodes.map(each => `${each.id}=${each.url}`).join(',')
    table.cut = true
    const late = await gateway(table, { nodes: list })
    expect((await records(late, 'g', 'there')).status).toBe(200)
    const alone = await gateway(undefined, { nodes: list })
    expect((await records(alone, 'g', 'there')).status).toBe(200)
    expect((await records(alone, 'g', 'nobody')).status).toBe(404)
    // Nobody can say whether they are there.
    for (const { adminUrl = '' } of [late, alone])
      expect((await http({ base: adminUrl, path: '/ready' })).status).toBe(200)
  })

  test('a gateway whose table has no node is not ready, whatever the static list says; it asks those all the same', async () => {
    const { nodes } = await system(1)
    const empty = new CutTable({ clock: systemClock })
    const entry = await gateway(empty, { nodes: nodes.map(each => `${each.id}=${each.url}`).join(',') })
    const base = entry.adminUrl ?? ''
    const ready = await http({ base, path: '/ready' })
    expect([ready.status, ready.text]).toEqual([503, expect.stringContaining('no proxy node is available')])
    const { text } = await http({ base, path: '/metrics' })
    expect(text).toMatch(/kafka_rest_gateway_members\{state="available"\} 0/)
    expect(text).toMatch(/kafka_rest_gateway_members\{state="absent"\} 1/)
    expect((await http({ base: entry.url, path: '/topics' })).status).toBe(200)
  })
})

describe('stateless requests', () => {
  test('spread over the nodes, and go to another when one is gone', async () => {
    const { nodes, entry } = await system(3)
    for (let index = 0; index < 60; index++)
      expect((await http({ base: entry.url, method: 'POST', path: '/topics/t', body: '{}' })).status).toBe(
        200,
      )
    for (const each of nodes) expect(each.seen.length).toBeGreaterThan(5)
    await nodes[0]?.kill()
    let failures = 0
    for (let index = 0; index < 30; index++) {
      const answer = await http({ base: entry.url, method: 'POST', path: '/topics/t', body: '{}' })
      if (answer.status !== 200) failures++
    }
    // At most what was lost on kept connections before the reset was seen; refused ones went to another node.
    expect(failures).toBeLessThanOrEqual(1)
  })

  test('a produce that was lost after it was sent is not repeated', async () => {
    const { nodes, entry } = await system(3)
    let tries = 0
    for (const each of nodes)
      each.override = incoming => {
        tries++
        incoming.socket.resetAndDestroy()
        return true
      }
    const produce = await http({ base: entry.url, method: 'POST', path: '/topics/t', body: '{}' })
    expect([produce.status, tries]).toEqual([502, 1])
    expect(produce.json()).toEqual({
      error_code: 50210,
      message: 'The proxy node failed; the request may have been applied.',
    })
    tries = 0
    expect((await http({ base: entry.url, path: '/topics' })).status).toBe(502)
    expect(tries).toBe(3)
  })

  test('with one node only, what is safe to repeat goes to it once more', async () => {
    const { nodes, entry } = await system(1)
    let tries = 0
    const lose = (times: number) => {
      tries = 0
      for (const each of nodes)
        each.override = incoming => {
          if (++tries > times) return false
          incoming.socket.resetAndDestroy()
          return true
        }
    }
    lose(1)
    expect([(await http({ base: entry.url, path: '/topics' })).status, tries]).toEqual([200, 2])
    lose(9)
    expect([(await http({ base: entry.url, path: '/topics' })).status, tries]).toEqual([502, 2])
    lose(9)
    const produce = await http({ base: entry.url, method: 'POST', path: '/topics/t', body: '{}' })
    expect([produce.status, tries]).toEqual([502, 1])
  })

  test('a read that was lost is not repeated; a look at the subscription is, once', async () => {
    const { nodes, entry } = await system(2)
    await create(entry, 'g', 'i')
    let tries = 0
    for (const each of nodes)
      each.override = incoming => {
        tries++
        incoming.socket.resetAndDestroy()
        return true
      }
    expect([(await records(entry, 'g', 'i')).status, tries]).toEqual([502, 1])
    tries = 0
    const look = await http({ base: entry.url, path: '/consumers/g/instances/i/subscription' })
    expect([look.status, tries]).toEqual([503, 2])
  })

  test('the zone of the gateway comes first', async () => {
    const table = new MemoryRoutingTable({ clock: systemClock })
    const near = await node(table, 'near', { zone: 'a' })
    const far = await node(table, 'far', { zone: 'b' })
    const entry = await gateway(table, { zone: 'a' })
    for (let index = 0; index < 20; index++) await http({ base: entry.url, path: '/topics' })
    expect([near.seen.length, far.seen.length]).toEqual([20, 0])
    await near.kill()
    await until(
      'the other zone to serve',
      async () => (await http({ base: entry.url, path: '/topics' })).status === 200,
    )
    expect(far.seen.length).toBeGreaterThan(0)
  })

  test('a draining node gets nothing new, and keeps what it has', async () => {
    const { nodes, entry } = await system(2)
    await create(entry, 'g', 'stays')
    const leaving = holderOf(nodes, 'g/stays')
    leaving.state = 'draining'
    await leaving.renew()
    await until('the gateway to see it', async () => {
      leaving.seen.length = 0
      for (let index = 0; index < 10; index++) await http({ base: entry.url, path: '/topics' })
      return leaving.seen.length === 0
    })
    for (let index = 0; index < 10; index++) await create(entry, 'g')
    expect(leaving.seen.length).toBe(0)
    expect((await records(entry, 'g', 'stays')).json()).toMatchObject({ node: leaving.id })
  })

  test('without any node: 503, but unknown paths and methods are what they are', async () => {
    const entry = await gateway(new MemoryRoutingTable({ clock: systemClock }))
    const none = await http({ base: entry.url, path: '/topics' })
    expect([none.status, none.headers['retry-after']]).toEqual([503, '1'])
    expect(none.json()).toMatchObject({ error_code: 50310 })
    expect((await http({ base: entry.url, path: '/nothing' })).status).toBe(404)
    expect((await http({ base: entry.url, path: '/topics', method: 'PUT' })).status).toBe(405)
    expect((await records(entry, 'g', 'i')).status).toBe(503)
    const ready = await http({ base: entry.adminUrl ?? '', path: '/ready' })
    expect([ready.status, ready.json()]).toEqual([
      503,
      { status: 'not ready', parts: { 'proxy nodes': 'no proxy node is available' } },
    ])
  })

  test('ready, health and metrics', async () => {
    const { entry } = await system(1)
    await http({ base: entry.url, path: '/topics' })
    expect((await http({ base: entry.adminUrl ?? '', path: '/ready' })).status).toBe(200)
    expect((await http({ base: entry.adminUrl ?? '', path: '/health' })).status).toBe(200)
    const { text } = await http({ base: entry.adminUrl ?? '', path: '/metrics' })
    expect(text).toMatch(/kafka_rest_gateway_request_seconds_count\{operation="topics.list",status="200"\} 1/)
    expect(text).toMatch(/kafka_rest_gateway_members\{state="available"\} 1/)
  })
})

describe('what clients must not be able to do', () => {
  test('routes between processes are not reachable with our token', async () => {
    const { nodes, entry } = await system(1)
    const paths = [
      '/internal/identity',
      '/internal/instances/g/i',
      '//internal/identity',
      '/internal/identity/',
    ]
    for (const path of paths) expect((await http({ base: entry.url, path })).status).toBe(404)
    const stolen = { 'Kafka-Rest-Internal-Token': token }
    expect((await http({ base: entry.url, path: '/internal/identity', headers: stolen })).status).toBe(404)
    expect(nodes[0]?.questions).toEqual([])
  })

  test('internal headers of clients never reach a node', async () => {
    const { nodes, entry } = await system(1)
    await create(entry, 'g', 'i', {
      'Kafka-Rest-Public-Base': 'http://evil',
      'KAFKA-REST-PROVED-DEAD': 'a b 1',
    })
    const seen = nodes[0]?.seen[0]?.headers
    expect(seen?.['kafka-rest-public-base']).toBe(entry.url)
    expect(seen).not.toHaveProperty('kafka-rest-proved-dead')
  })

  test('a member that was not signed with our token gets no request', async () => {
    const table = new MemoryRoutingTable({ clock: systemClock })
    const good = await node(table, 'good')
    const forged = await StandInNode.start({ id: 'forged', table, token: 'other' })
    stops.push(() => forged.kill())
    const entry = await gateway(table)
    for (let index = 0; index < 20; index++) await http({ base: entry.url, path: '/topics' })
    expect([good.seen.length, forged.seen.length]).toEqual([20, 0])
    const { text } = await http({ base: entry.adminUrl ?? '', path: '/metrics' })
    expect(text).toMatch(/kafka_rest_gateway_members_skipped_total\{reason="signature"\} 1/)
  })
})

describe('reads', () => {
  test('the outcome of a read is told to its node, and its header does not reach the client', async () => {
    const { nodes, entry } = await system(2)
    await create(entry, 'g', 'i')
    const answer = await records(entry, 'g', 'i')
    expect(answer.headers).not.toHaveProperty('kafka-rest-read-id')
    const owner = holderOf(nodes, 'g/i')
    await until('the outcome to be told', () => owner.outcomes.length > 0)
    expect(owner.outcomes).toEqual([{ key: 'g/i', read_id: `${owner.id}-1`, delivered: true }])
  })

  test('after a read that failed the next request waits until its node knows', async () => {
    const { nodes, entry } = await system(2)
    await create(entry, 'g', 'i')
    const owner = holderOf(nodes, 'g/i')
    const order: string[] = []
    owner.override = (incoming, outgoing) => {
      if (!incoming.url?.endsWith('/records?first')) {
        if (incoming.url?.endsWith('/records')) order.push(`read after ${owner.outcomes.length} outcomes`)
        return false
      }
      outgoing.setHeader('kafka-rest-read-id', 'lost-one')
      outgoing.write('[')
      return true
    }
    const connection = await RawConnection.open(entry.url)
    connection.send('GET /consumers/g/instances/i/records?first HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.receive(/\[/)
    owner.answersQuestions = false
    connection.reset()
    // The node does not answer the report: the request must not overtake it.
    const blocked = await until('the report to be under way', async () => {
      const tried = await records(entry, 'g', 'i')
      return tried.status === 503 && tried
    })
    expect(blocked.json()).toMatchObject({ error_code: 50311 })
    owner.answersQuestions = true
    await until('the report to arrive', () => owner.outcomes.length > 0)
    expect(owner.outcomes[0]).toEqual({ key: 'g/i', read_id: 'lost-one', delivered: false })
    order.length = 0
    expect((await records(entry, 'g', 'i')).status).toBe(200)
    expect(order).toEqual([`read after ${owner.outcomes.length} outcomes`])
  })
})

describe('stopping', () => {
  test('what is in flight is answered, /ready fails first, and the connection is closed', async () => {
    const { nodes, entry } = await system(1, { 'drain.delay.ms': '300' })
    const answering = Promise.withResolvers<void>()
    let begun = false
    for (const each of nodes)
      each.override = (_, outgoing) => {
        begun = true
        void answering.promise.then(() => outgoing.end('late'))
        return true
      }
    const connection = await RawConnection.open(entry.url)
    connection.send('GET /topics HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the request to be under way', () => begun)
    const stopped = entry.stop()
    const ready = await http({ base: entry.adminUrl ?? '', path: '/ready' })
    expect(ready.status).toBe(503)
    answering.resolve()
    const [answer] = await connection.receive(/^HTTP\/1.1 200[\s\S]*late/)
    expect(answer).toMatch(/connection: close/i)
    await stopped
    stops.pop()
    await expect(http({ base: entry.url, path: '/topics' })).rejects.toThrow()
  })
})
