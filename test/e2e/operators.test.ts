import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT_DIR } from '../../infra/local/cache.ts'
import { type CommandResult, runCommand } from '../../infra/local/command.ts'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { drawOperatorToken } from '../../shared/security/operator-tokens.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { http, type RawResponse } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { launchGateway, newDeployment, startGateway, startNode } from '../support/processes.ts'
import { RecordProducer } from '../support/record-producer.ts'
import { kafkaAddress, newTestDir, uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

const alice = drawOperatorToken('alice')
const tokenFile = join(newTestDir('operators'), 'token')
writeFileSync(tokenFile, `${alice.token}\n`, { mode: 0o600 })
const settings = { 'failover.mode': 'takeover', 'admin.tokens': alice.entry }
const nodes = new Map<string, LocalTier>()
let gateway: LocalTier
let producer: RecordProducer

beforeAll(async () => {
  const deployment = newDeployment()
  for (const id of ['node-1', 'node-2']) nodes.set(id, await startNode(deployment, id, settings))
  gateway = await startGateway(deployment, 'gateway-1', { 'admin.tokens': alice.entry })
  producer = await RecordProducer.start(kafkaAddress())
})

afterAll(async () => {
  await producer?.stop()
  await gateway?.stop()
  await Promise.all([...nodes.values()].map(node => node.stop()))
})

/** The command as a process, with the operator's token unless another environment is given. */
async function cli(
  args: string[],
  env: Record<string, string> = { GATEWAY_ADMIN_TOKEN: alice.token },
): Promise<CommandResult> {
  const program = join(ROOT_DIR, 'infra/cli/kafka-rest-gateway.mjs')
  const own = { PATH: process.env['PATH'] ?? '', GATEWAY_ADMIN_URL: gateway.adminUrl, ...env }
  const result = await runCommand(process.execPath, [program, ...args], { env: own })
  if (result === undefined) throw new Error('the command does not exist')
  return result
}

async function cliJson<T>(...args: string[]): Promise<T> {
  const result = await cli([...args, '--json'])
  expect(result).toMatchObject({ code: 0, stderr: '' })
  return JSON.parse(result.stdout) as T
}

interface ListedPlacement {
  instance: string
  node: string
  state: string
}

const placementsOf = async (...filter: string[]): Promise<ListedPlacement[]> =>
  (await cliJson<{ placements: ListedPlacement[] }>('placements', ...filter)).placements

/** A request to an admin listener, as the operator unless `authorization` says else. */
function admin(
  tier: LocalTier,
  method: string,
  path: string,
  authorization: string | null = `Bearer ${alice.token}`,
): Promise<RawResponse> {
  const headers = authorization === null ? {} : { Authorization: authorization }
  return http({ base: tier.adminUrl, path, method, headers })
}

function nodeOf(id: string): LocalTier {
  const node = nodes.get(id)
  if (node === undefined) throw new Error(`no ${id}`)
  return node
}

/** What operators did, as it stands in a log. */
const actionsIn = (tier: LocalTier) =>
  tier
    .log()
    .filter(line => line['msg'] === 'an operator acted')
    .map(({ operator, action, target, outcome }) => ({ operator, action, target, outcome }))

describe('the command', () => {
  test('shows gateway, nodes and placements', async () => {
    const group = uniqueName('g')
    const client = await ConsumerClient.create(gateway.url, group, 'c 1')
    const status = await cliJson('status')
    expect(status).toMatchObject({ id: 'gateway-1', ready: true, nodes: { available: 2 } })
    const { nodes: listed } = await cliJson<{ nodes: Record<string, unknown>[] }>('nodes')
    expect(listed.map(({ id, state, routing, source }) => ({ id, state, routing, source }))).toEqual(
      ['node-1', 'node-2'].map(id => ({
        id,
        state: 'active',
        routing: 'available',
        source: 'routing table',
      })),
    )
    const [placement, ...others] = await placementsOf('--group', group)
    expect(others).toEqual([])
    expect(placement).toMatchObject({ group, instance: 'c 1', state: 'owner-alive', failover: 'takeover' })
    expect(await placementsOf('--group', group, '--node', placement?.node ?? '')).toHaveLength(1)
    expect(await placementsOf('--group', group, '--node', 'nobody')).toEqual([])
    const table = await cli(['placements', '--group', group])
    expect(table.stdout.split('\n')[0]).toMatch(/^GROUP +INSTANCE +NODE +STATE +FAILOVER +TOKEN +EXPIRES$/)
    expect((await cli(['nodes'])).stdout).toMatch(/^node-2 +active +available +\d+ +\d+ +\d+ +\d+ +- +http:/m)
    expect((await cli(['status'])).stdout).toMatch(/^gateway +gateway-1\nzone +-\nready +true$/m)
    await client.delete()
    client.close()
  })

  test('lists page by page', async () => {
    const group = uniqueName('g')
    const clients = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map(name => ConsumerClient.create(gateway.url, group, name)),
    )
    const seen: string[] = []
    for (let after = ''; ; ) {
      const page = await admin(gateway, 'GET', `/placements?group=${group}&limit=2${after}`)
      const { placements, next } = page.json() as { placements: ListedPlacement[]; next: string | null }
      seen.push(...placements.map(({ instance }) => instance))
      if (next === null) break
      expect(placements).toHaveLength(2)
      after = `&after=${encodeURIComponent(next)}`
    }
    expect(seen.sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
    const limited = await cli(['placements', '--group', group, '--limit', '2'])
    expect(limited.stdout).toContain('There are more than 2')
    for (const client of clients) await client.delete()
    for (const client of clients) client.close()
  })

  test('drains a node and waits; its consumers go on elsewhere, and nothing new comes until it is taken back', async () => {
    const topic = uniqueName('t')
    await createTopic(kafkaAddress(), topic, { partitions: 1 })
    const group = uniqueName('g')
    const client = await ConsumerClient.create(gateway.url, group, 'one')
    expect((await client.subscribe(topic)).status).toBe(204)
    await producer.send(topic, [{ value: '1' }, { value: '2' }])
    expect((await client.take(2)).map(({ value }) => value)).toEqual([1, 2])
    const holder = (await placementsOf('--group', group))[0]?.node ?? ''
    const other = holder === 'node-1' ? 'node-2' : 'node-1'

    const drained = await cli(['drain', holder, '--wait'])
    expect(drained).toMatchObject({ code: 0, stderr: '' })
    expect(drained.stdout).toBe(`${holder} is drained; it holds 0 consumer instances.\n`)
    expect(await placementsOf('--node', holder)).toEqual([])
    expect(await placementsOf('--group', group)).toMatchObject([{ node: other, state: 'owner-alive' }])
    const state = await admin(gateway, 'GET', `/nodes/${holder}/drain`)
    expect(state.json()).toMatchObject({ id: holder, state: 'drained', instances: 0 })
    await until('the list to show it', async () => {
      const { nodes: listed } = await cliJson<{ nodes: { id: string; state: string }[] }>('nodes')
      return listed.find(({ id }) => id === holder)?.state === 'drained'
    })

    await producer.send(topic, [{ value: '3' }])
    expect((await client.take(1)).map(({ value }) => value)).toEqual([3])
    const later = await Promise.all(
      ['l-1', 'l-2', 'l-3', 'l-4'].map(name => ConsumerClient.create(gateway.url, group, name)),
    )
    const held = await placementsOf('--group', group)
    expect(held).toHaveLength(5)
    expect(new Set(held.map(({ node }) => node))).toEqual(new Set([other]))

    expect(await cli(['undrain', holder])).toMatchObject({ code: 0, stdout: `${holder} is active.\n` })
    await until('the gateway to see it back', async () => {
      const { nodes: listed } = await cliJson<{ nodes: { id: string; routing: string }[] }>('nodes')
      return listed.find(({ id }) => id === holder)?.routing === 'available'
    })
    // It takes new instances again: bounded load sends some of many to the node that has none.
    const more = await Promise.all(
      ['m-1', 'm-2', 'm-3', 'm-4', 'm-5', 'm-6'].map(name => ConsumerClient.create(gateway.url, group, name)),
    )
    expect((await placementsOf('--node', holder)).length).toBeGreaterThan(0)

    const target = { node: holder }
    expect(actionsIn(gateway)).toEqual(
      expect.arrayContaining([
        { operator: 'alice', action: 'nodes.drain', target, outcome: 'done' },
        { operator: 'alice', action: 'nodes.undrain', target, outcome: 'done' },
      ]),
    )
    const atNode = nodeOf(holder)
      .log()
      .filter(line => line['operator'] === 'alice')
      .map(line => line['action'])
    expect(atNode).toEqual(['node.drain', 'node.undrain'])
    for (const each of [client, ...later, ...more]) {
      await each.delete()
      each.close()
    }
  })

  test('evicts an instance; its client is told that it was deleted', async () => {
    const group = uniqueName('g')
    const client = await ConsumerClient.create(gateway.url, group, 'a/b')
    const evicted = await cli(['evict', group, 'a/b'])
    expect(evicted).toMatchObject({ code: 0, stderr: '' })
    const answer = await client.call('GET', `${client.base}/subscription`)
    expect([answer.status, answer.json()]).toMatchObject([404, { error_code: 40403 }])
    expect(answer.headers['kafka-rest-consumer-gone']).toBe('deleted')
    expect(await placementsOf('--group', group)).toEqual([])
    const again = await cli(['evict', group, 'a/b'])
    expect(again).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'Consumer instance not found. (404 / 40403)\n',
    })
    const target = { group, instance: 'a/b' }
    expect(actionsIn(gateway).filter(({ action }) => action === 'placements.evict')).toEqual([
      { operator: 'alice', action: 'placements.evict', target, outcome: 'done' },
      { operator: 'alice', action: 'placements.evict', target, outcome: 'consumerInstanceNotFound' },
    ])
    client.close()
  })

  test('says in one sentence what is wrong', async () => {
    expect(await cli(['drain', 'node-9'])).toMatchObject({
      code: 1,
      stderr: 'Proxy node not found. (404 / 40410)\n',
    })
    expect(await cli(['status'], { GATEWAY_ADMIN_TOKEN: 'wrong' })).toMatchObject({
      code: 1,
      stderr: 'This needs the bearer token of an operator (admin.tokens). (401 / 40110)\n',
    })
    const without = await cli(['status'], {})
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--token-file')])
    const url = `http://127.0.0.1:${await freePort()}`
    const away = await cli(['status', '--url', url, '--token-file', tokenFile], {})
    expect([away.code, away.stdout]).toEqual([3, ''])
    expect(away.stderr).toMatch(
      /^No gateway can be reached at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*\.\n$/,
    )
  })

  test('runs as it stands in the repository, with the token from a file or from standard input', async () => {
    const command = join(ROOT_DIR, 'infra/cli/kafka-rest-gateway.mjs')
    const run = (file: string, input = '') =>
      runCommand(command, ['status', '--url', gateway.adminUrl, '--token-file', file], { input })
    expect(await run(tokenFile)).toMatchObject({ code: 0, stderr: '' })
    expect(await run('-', `${alice.token}\n`)).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('admin listeners', () => {
  test('/health, /ready and /metrics are open, everything of operators needs a token', async () => {
    for (const tier of [gateway, nodeOf('node-1')]) {
      for (const path of ['/health', '/ready', '/metrics'])
        expect((await admin(tier, 'GET', path, null)).status).toBe(200)
      for (const authorization of [null, 'Bearer wrong', `Basic ${alice.token}`, alice.entry]) {
        const refused = await admin(tier, 'GET', '/status', authorization)
        expect([refused.status, refused.json()]).toMatchObject([401, { error_code: 40110 }])
        expect(refused.headers['www-authenticate']).toBe('Bearer')
      }
    }
    const hash = alice.entry.slice('alice:'.length)
    for (const tier of [gateway, ...nodes.values()]) {
      const text = JSON.stringify(tier.log())
      expect(text).not.toContain(alice.token)
      expect(text).not.toContain(hash)
    }
  })

  test('without admin.tokens operators are refused', async () => {
    const bare = await launchGateway(newDeployment(), 'gateway-2')
    const refused = await until('an answer', () => admin(bare, 'POST', '/nodes/node-1/drain'))
    await bare.stop()
    expect([refused.status, refused.json()]).toMatchObject([403, { error_code: 40310 }])
    expect(refused.text).toContain('admin.tokens')
  })

  test('paths are matched raw', async () => {
    expect((await admin(gateway, 'GET', '/x/../status')).status).toBe(404)
    expect((await admin(gateway, 'GET', '/x/../health')).status).toBe(404)
    expect((await admin(gateway, 'GET', '/nodes/%2e%2e/drain')).json()).toMatchObject({ error_code: 40410 })
    expect((await admin(gateway, 'GET', '/nodes/%zz')).status).toBe(404)
    expect((await admin(gateway, 'DELETE', '/status')).status).toBe(405)
    expect((await admin(gateway, 'GET', '/placements?limit=0')).status).toBe(422)
    expect((await admin(gateway, 'GET', '/placements?after=x')).status).toBe(422)
  })

  test('a node answers for itself', async () => {
    const node = nodeOf('node-1')
    const group = uniqueName('g')
    const client = await ConsumerClient.create(node.url, group, 'direct')
    const status = await admin(node, 'GET', '/status')
    expect(status.json()).toMatchObject({ id: 'node-1', state: 'active', registered: true })
    const instances = await admin(node, 'GET', `/instances?group=${group}`)
    expect(instances.json()).toMatchObject({
      instances: [{ group, instance: 'direct', format: 'json', topics: [], partitions: 0 }],
      next: null,
    })
    const path = `/instances/${group}/direct`
    expect((await admin(node, 'DELETE', path)).json()).toEqual({ group, instance: 'direct', evicted: true })
    expect((await admin(node, 'DELETE', path)).status).toBe(404)
    expect((await node.admin('/ready')).status).toBe(200)
    expect((await admin(node, 'POST', '/drain')).json()).toMatchObject({ state: 'draining' })
    const leaving = await node.admin('/ready')
    expect([leaving.status, JSON.parse(leaving.text)]).toMatchObject([
      503,
      { parts: { service: 'this node is draining' } },
    ])
    await until('it to be drained', async () => {
      const { state } = (await admin(node, 'GET', '/drain')).json() as { state: string }
      return state === 'drained'
    })
    expect((await admin(node, 'DELETE', '/drain')).json()).toMatchObject({ state: 'active' })
    expect((await node.admin('/ready')).status).toBe(200)
    expect(actionsIn(node).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'instances.evict done',
      'instances.evict consumerInstanceNotFound',
      'node.drain done',
      'node.undrain done',
    ])
    client.close()
  })
})
