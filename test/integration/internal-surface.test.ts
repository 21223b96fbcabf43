import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { systemClock } from '../../shared/clock.ts'
import { internalHeaders } from '../../shared/http/internal-headers.ts'
import { instanceKey } from '../../shared/ids.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { standaloneRedis } from '../../shared/routing/redis-client.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import type { Member, RoutingTable } from '../../shared/routing/routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'
import { http, type RawResponse } from '../support/http-client.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const deployment = newDeployment()
const { token } = deployment
/** While a gateway is new it asks nodes about unknown instances; one that is busy would make it say 503. */
const patient = { 'node.question.timeout.ms': 10_000 }
const nodes: LocalTier[] = []
/** Believes no forwarded header. */
let strict: LocalTier
/** Believes those of this machine, and members on 127.0.0.1 only. */
let trusting: LocalTier
let table: RoutingTable

beforeAll(async () => {
  nodes.push(...(await Promise.all(['node-1', 'node-2'].map(id => startNode(deployment, id)))))
  strict = await startGateway(deployment, 'strict', patient)
  trusting = await startGateway(deployment, 'trusting', {
    ...patient,
    'forwarded.trusted': '127.0.0.0/8',
    'nodes.allowed': '127.0.0.1',
  })
  const { redisUrl: url, keyPrefix } = deployment
  table = await openRedisRoutingTable({
    address: standaloneRedis(url),
    keyPrefix,
    timeoutMs: 5000,
    log: silentLogger,
    clock: systemClock,
  })
  for (const gateway of [strict, trusting])
    await until('the gateway to know both nodes', async () =>
      (await gateway.admin('/metrics')).text.includes('kafka_rest_gateway_members{state="available"} 2'),
    )
})

afterAll(async () => {
  await table?.stop()
  await Promise.all([strict, trusting, ...nodes].map(tier => tier?.stop()))
})

const nodeAt = (index: number): LocalTier => {
  const node = nodes[index]
  if (!node) throw new Error('no such node')
  return node
}

interface Created {
  instance_id: string
  base_uri: string
}

/** POST /consumers/{group}; with a `name` for one of the client's choice. */
function create({ url }: LocalTier, group: string, headers: Record<string, string>, name?: string) {
  const body = JSON.stringify(name === undefined ? {} : { name })
  return http({ base: url, method: 'POST', path: `/consumers/${group}`, headers, body })
}

async function created(tier: LocalTier, headers: Record<string, string>): Promise<Created> {
  const answer = await create(tier, uniqueName('surface'), headers)
  expect(answer.status).toBe(200)
  return answer.json() as Created
}

const hints = {
  [internalHeaders.drawnName]: 'drawn-by-evil',
  [internalHeaders.publicBase]: 'http://evil.example',
  [internalHeaders.gatewayRun]: 'evil/1',
}

const wrongTokens: readonly (readonly [string, Record<string, string>])[] = [
  ['no token', {}],
  ['an empty token', { [internalHeaders.token]: '' }],
  ['another token', { [internalHeaders.token]: 'test-00000000000000000000000000000000' }],
  ['the beginning of the token', { [internalHeaders.token]: token.slice(0, -1) }],
  ['the token and more', { [internalHeaders.token]: `${token}0` }],
  ['the token in capitals', { [internalHeaders.token]: token.toUpperCase() }],
  ['the token twice in one header', { [internalHeaders.token]: `${token}, ${token}` }],
  ['the token under another name', { Kafka_Rest_Internal_Token: token, Authorization: `Bearer ${token}` }],
]

const routes: readonly (readonly ['GET' | 'POST', string])[] = [
  ['GET', '/internal/identity'],
  ['GET', '/internal/instances/g/i'],
  ['POST', '/internal/death-check'],
  ['POST', '/internal/read-outcomes'],
  ['GET', '/internal/status'],
  ['POST', '/internal/drain'],
  ['POST', '/internal/undrain'],
  ['POST', '/internal/evictions'],
]

/** What an unknown path answers. */
function expectUnknown(answer: RawResponse, what: string): void {
  expect([answer.status, answer.text, answer.headers['content-type']], what).toEqual([
    404,
    '{"error_code":404,"message":"HTTP 404 Not Found"}',
    undefined,
  ])
}

describe('routes between processes', () => {
  test.each(wrongTokens)('with %s they are unknown paths at a node', async (what, headers) => {
    for (const [method, path] of routes)
      expectUnknown(await http({ base: nodeAt(0).url, method, path, headers, body: '[]' }), `${what} ${path}`)
  })

  test('with the token they are there, so that the test above means something', async () => {
    const headers = { [internalHeaders.token]: token }
    const ask = (method: string, path: string) =>
      http({ base: nodeAt(0).url, method, path, headers, body: '[]' })
    expect((await ask('GET', '/internal/identity')).json()).toMatchObject({ id: 'node-1' })
    expect((await ask('POST', '/internal/read-outcomes')).status).toBe(204)
    expect((await ask('GET', '/internal/instances/g/i')).json()).toMatchObject({ error_code: 40403 })
    expect((await ask('POST', '/internal/death-check')).status).toBe(422)
  })

  test('through a gateway nobody reaches them, whatever the spelling, even with the token', async () => {
    const stolen = { [internalHeaders.token]: token }
    const spellings = routes.flatMap(([method, path]) =>
      [path, `/${path}`, `${path}/`, `${path}?a=b`, path.replace('/internal', '/./internal')].map(
        each => [method, each] as const,
      ),
    )
    const hidden = ['/topics/../internal/identity', '/consumers/g/instances/../../../internal/identity']
    const all = [...spellings, ...hidden.map(path => ['GET', path] as const)]
    for (const gateway of [strict, trusting])
      for (const [method, path] of all)
        for (const headers of [{}, stolen, { ...stolen, Connection: internalHeaders.token }])
          expectUnknown(
            await http({ base: gateway.url, method, path, headers, body: '[]' }),
            `${method} ${path}`,
          )
  })
})

describe('internal headers of clients', () => {
  test.each(wrongTokens)('count for nothing at a node with %s', async (_, headers) => {
    const node = nodeAt(0)
    const { instance_id: name, base_uri: uri } = await created(node, { ...hints, ...headers })
    expect(name).toMatch(/^rest-consumer-node-1-/)
    expect(uri.startsWith(`${node.url}/consumers/`)).toBe(true)
  })

  test('count at a node with the token, so that the test above means something', async () => {
    const { instance_id: name, base_uri: uri } = await created(nodeAt(0), {
      ...hints,
      [internalHeaders.token]: token,
    })
    expect(name).toBe('drawn-by-evil')
    expect(uri).toMatch(/^http:\/\/evil\.example\/consumers\//)
  })

  test('never pass a gateway, though it adds the token to the same request', async () => {
    const tricks = [
      hints,
      Object.fromEntries(Object.entries(hints).map(([name, value]) => [name.toUpperCase(), value])),
      { ...hints, [internalHeaders.token]: token },
      { ...hints, Connection: Object.values(internalHeaders).join(', ') },
      { Connection: Object.values(internalHeaders).join(', ') },
    ]
    for (const headers of tricks) {
      const { instance_id: name, base_uri: uri } = await created(strict, headers)
      expect(name).toMatch(/^rest-consumer-strict-/)
      expect(uri.startsWith(`${strict.url}/consumers/`), uri).toBe(true)
    }
  })

  test('no client takes a name by saying that its holder is dead', async () => {
    const group = uniqueName('surface')
    expect((await create(strict, group, {}, 'mine')).status).toBe(200)
    const { placement } = await table.find(instanceKey({ group, instance: 'mine' }))
    if (!placement) throw new Error('no placement')
    const { node, incarnation, token: fencing } = placement
    const dead = {
      [internalHeaders.provedDead]: [node, incarnation, fencing].map(encodeURIComponent).join(' '),
    }
    for (const tier of [strict, trusting, ...nodes]) {
      const answer = await create(tier, group, dead, 'mine')
      expect([answer.status, answer.json()], tier.id).toMatchObject([409, { error_code: 40902 }])
    }
    expect(await table.find(instanceKey({ group, instance: 'mine' }))).toMatchObject({ placement })
    const path = `/consumers/${group}/instances/mine/subscription`
    expect((await http({ base: trusting.url, path })).status).toBe(200)
  })

  test('a node says 421 to gateways only, and a gateway says it to nobody', async () => {
    const path = '/consumers/none/instances/none/records'
    for (const { url } of [...nodes, strict])
      for (const headers of [{}, hints, { ...hints, [internalHeaders.token]: 'wrong' }])
        expect((await http({ base: url, path, headers })).status).toBe(404)
    const headers = { ...hints, [internalHeaders.token]: token }
    expect((await http({ base: nodeAt(0).url, path, headers })).status).toBe(421)
    expect((await http({ base: strict.url, path, headers })).status).toBe(404)
  })

  test('no answer through a gateway shows one', async () => {
    const group = uniqueName('surface')
    await create(strict, group, {}, 'reader')
    const instance = `/consumers/${group}/instances/reader`
    await http({
      base: strict.url,
      method: 'POST',
      path: `${instance}/assignments`,
      body: `{"partitions":[{"topic":"${group}","partition":0}]}`,
    })
    const answers = await Promise.all(
      [`${instance}/records?timeout=20`, instance, '/topics', '/nope'].map(path =>
        http({ base: strict.url, path }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 405, 200, 404])
    for (const { headers } of answers)
      expect(Object.keys(headers).filter(name => name.startsWith('kafka-rest-'))).toEqual([])
  })
})

describe('forwarded headers', () => {
  const forwarded = [
    { Forwarded: 'for=192.0.2.1;host=kafka.example;proto=https' },
    {
      'X-Forwarded-For': '192.0.2.1',
      'X-Forwarded-Host': 'kafka.example',
      'X-Forwarded-Proto': 'https',
    },
  ]

  test.each(forwarded)('of peers that are not trusted are ignored: %o', async headers => {
    for (const tier of [strict, nodeAt(0)]) {
      const { base_uri: uri } = await created(tier, headers)
      expect(uri.startsWith(`${tier.url}/consumers/`), uri).toBe(true)
    }
  })

  test.each(forwarded)('of trusted peers are used: %o', async headers => {
    const { base_uri: uri } = await created(trusting, headers)
    expect(uri).toMatch(/^https:\/\/kafka\.example\/consumers\//)
  })

  test('what a client put in front of a trusted hop is not believed', async () => {
    const { base_uri: uri } = await created(trusting, {
      'X-Forwarded-For': '203.0.113.9, 192.0.2.1',
      'X-Forwarded-Host': 'evil.example, kafka.example',
      'X-Forwarded-Proto': 'http, https',
    })
    expect(uri).toMatch(/^https:\/\/kafka\.example\/consumers\//)
  })

  test('values that make no sense are passed over', async () => {
    for (const value of ['evil.example/path', 'a b', 'user@evil.example', '"><script>', 'evil:99999', ''])
      for (const headers of [{ 'X-Forwarded-Host': value }, { Forwarded: `host="${value}"` }]) {
        const { base_uri: uri } = await created(trusting, headers)
        expect(uri.startsWith(`${trusting.url}/consumers/`), `${value}: ${uri}`).toBe(true)
      }
  })
})

/** An address that someone wants requests, and the token with them, to be sent to. */
class Trap {
  readonly seen: { url: string; headers: IncomingHttpHeaders }[] = []
  readonly #server: Server
  port = 0

  constructor() {
    this.#server = createServer((incoming, outgoing) => {
      this.seen.push({ url: incoming.url ?? '', headers: incoming.headers })
      outgoing.end('[]')
    })
  }

  async open(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    return this
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

async function skipped(gateway: LocalTier, reason: string): Promise<number> {
  const { text } = await gateway.admin('/metrics')
  const name = `kafka_rest_gateway_members_skipped_total{reason="${reason}"}`
  const line = text.split('\n').find(each => each.startsWith(name))
  return Number(line?.split(' ').at(-1) ?? 0)
}

describe('member records in Redis that a stranger wrote', () => {
  const record = (id: string, url: string): Omit<Member, 'signature'> => ({
    id,
    incarnation: `${id}-incarnation`,
    url,
    internalUrl: url,
    zone: '',
    state: 'active',
    instances: 0,
    instancesMax: 2000,
    failover: 'recreate',
  })

  /** Registers a member, and a consumer instance that it is said to hold. */
  async function plant(member: Member, group: string): Promise<void> {
    expect(await table.renew(member, 120_000)).toMatchObject({ outcome: 'renewed' })
    const { id: node, incarnation } = member
    const placement = {
      node,
      incarnation,
      token: 1,
      expiresAt: 1e15,
      failover: 'recreate',
      spec: '{}',
    } as const
    const key = instanceKey({ group, instance: 'planted' })
    await table.reassert([{ key, ...placement }])
    expect(await table.find(key)).toMatchObject({ placement: { node } })
  }

  async function traffic(gateway: LocalTier, group: string): Promise<void> {
    const path = `/consumers/${group}/instances/planted/records?timeout=20`
    expect([404, 503]).toContain((await http({ base: gateway.url, path })).status)
    // A node that is asked for the name looks after its holder itself.
    for (const tier of [gateway, ...nodes]) await create(tier, group, {}, 'planted')
    const rest = Array.from({ length: 30 }, async (_, index) => {
      expect((await http({ base: gateway.url, path: '/topics' })).status).toBe(200)
      expect((await create(gateway, group, {}, `other-${index}`)).status).toBe(200)
    })
    await Promise.all(rest)
  }

  test('without the right signature gets no request and no token', async () => {
    const trap = await new Trap().open()
    try {
      const url = `http://127.0.0.1:${trap.port}`
      const [real] = (await table.members()).members
      if (!real) throw new Error('no member')
      const forgeries: readonly [string, string][] = [
        ['unsigned', ''],
        ['copied', real.signature],
        ['other-token', await createMemberSigner('guess').sign(record('other-token', url))],
      ]
      for (const [id, signature] of forgeries) {
        const group = uniqueName('surface')
        const before = await skipped(strict, 'signature')
        await plant({ ...record(id, url), signature }, group)
        await until(
          'the gateway to have seen the record',
          async () => (await skipped(strict, 'signature')) > before,
        )
        await traffic(strict, group)
        expect(trap.seen, id).toEqual([])
        await table.leave(id, `${id}-incarnation`)
      }
    } finally {
      trap.close()
    }
  })

  test('on an address that is not allowed gets no request and no token, though it is signed', async () => {
    const trap = await new Trap().open()
    try {
      const group = uniqueName('surface')
      const member = record('outside', `http://localhost:${trap.port}`)
      const signature = await createMemberSigner(token).sign(member)
      await plant({ ...member, signature }, group)
      await until(
        'the gateway to have seen the record',
        async () => (await skipped(trusting, 'not-allowed')) > 0,
      )
      const path = `/consumers/${group}/instances/planted/records?timeout=20`
      expect([404, 503]).toContain((await http({ base: trusting.url, path })).status)
      for (let count = 0; count < 30; count++)
        expect((await http({ base: trusting.url, path: '/topics' })).status).toBe(200)
      expect(trap.seen).toEqual([])
      // A gateway without the setting believes it, so that the test means something.
      await until('the other gateway to use the record', async () => {
        await http({ base: strict.url, path: '/topics' })
        return trap.seen.length > 0
      })
      expect(trap.seen[0]?.headers).toHaveProperty(internalHeaders.token, token)
    } finally {
      await table.leave('outside', 'outside-incarnation')
      trap.close()
    }
  })
})
