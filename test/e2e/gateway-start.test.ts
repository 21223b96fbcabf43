import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { killedAfterEach } from '../support/killed-after-each.ts'
import { launchGateway, newDeployment, startGateway, startNode } from '../support/processes.ts'
import { until } from '../support/until.ts'

const track = killedAfterEach()

describe('a gateway as a process', () => {
  test.each([
    [
      'an open address without a token',
      { listeners: 'http://0.0.0.0:0', 'internal.token': '' },
      /needs internal\.token/,
    ],
    ['no way to know the nodes', { 'redis.url': '' }, /redis\.url or nodes needs to be configured/],
    ['a wrong number', { 'lease.ms': 'long' }, /lease\.ms=long: must be a whole number/],
  ])('%s: one sentence, exit code 2', async (_, settings, sentence) => {
    const gateway = track(await launchGateway(newDeployment(), 'gw', settings))
    expect(await gateway.process.exited).toMatchObject({ code: 2 })
    expect(
      gateway
        .log()
        .map(line => String(line['text'] ?? ''))
        .join('\n'),
    ).toMatch(sentence)
  })

  test('a port that is taken: one sentence, exit code 1', async () => {
    const deployment = newDeployment()
    const first = track(await launchGateway(deployment, 'gw-1'))
    await until('the first to listen', () => first.log().some(line => line['msg'] === 'listening'))
    const second = track(await launchGateway(deployment, 'gw-2', { listeners: first.url }))
    expect(await second.process.exited).toMatchObject({ code: 1 })
    expect(
      second
        .log()
        .map(line => String(line['text'] ?? ''))
        .join('\n'),
    ).toMatch(/EADDRINUSE/)
  })

  test('starts and serves while Redis is away, from the static list; SIGTERM ends it with code 0', async () => {
    const deployment = newDeployment()
    const node = track(await startNode(deployment, 'node-1'))
    const nowhere = `redis://127.0.0.1:${await freePort()}`
    const nodes = `node-1=${node.url}`
    const gateway = track(
      await startGateway({ ...deployment, redisUrl: nowhere }, 'gw-1', {
        nodes,
        // It asks nodes about instances that nobody has placed; one that is busy would make it say 503.
        'node.question.timeout.ms': 10_000,
      }),
    )
    expect((await http({ base: gateway.url, path: '/topics' })).status).toBe(200)
    const created = await http({
      base: gateway.url,
      method: 'POST',
      path: '/consumers/g',
      headers: { 'Content-Type': 'application/vnd.kafka.v2+json' },
      body: '{"name":"i"}',
    })
    expect(created.status, created.text).toBe(200)
    const path = '/consumers/g/instances/i/subscription'
    expect((await http({ base: gateway.url, path })).text).toBe('{"topics":[]}')
    expect((await http({ base: gateway.url, path: path.replace('/i/', '/nobody/') })).status).toBe(404)
    expect(await gateway.stop()).toMatchObject({ code: 0 })
  })

  test('without a node it runs and says that it is not ready; it becomes so when a node comes', async () => {
    const deployment = newDeployment()
    const gateway = track(await launchGateway(deployment, 'gw-1'))
    await until('the gateway to say why', async () => {
      const { status, text } = await gateway.admin('/ready')
      return status === 503 && text.includes('no proxy node is available')
    })
    expect((await gateway.admin('/health')).status).toBe(200)
    const none = await http({ base: gateway.url, path: '/topics' })
    expect([none.status, none.headers['retry-after']]).toEqual([503, '1'])
    track(await startNode(deployment, 'node-1'))
    await gateway.untilReady()
    expect((await http({ base: gateway.url, path: '/topics' })).status).toBe(200)
  })

  test('a stop lets the balancer see it, and then takes no connection', async () => {
    const deployment = newDeployment()
    track(await startNode(deployment, 'node-1'))
    // Long enough for a busy machine to see it and to ask once more.
    const gateway = track(await startGateway(deployment, 'gw-1', { 'drain.delay.ms': 8000 }))
    const stopped = gateway.stop(40_000)
    await until('/ready to fail', async () => (await gateway.admin('/ready')).status === 503)
    expect((await http({ base: gateway.url, path: '/topics' })).status).toBe(200)
    expect(await stopped).toMatchObject({ code: 0 })
    await expect(dial(gateway)).rejects.toThrow('ECONNREFUSED')
  })
})

function dial(gateway: LocalTier): Promise<void> {
  const { hostname, port } = new URL(gateway.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}
