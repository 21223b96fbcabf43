import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { residentBytesOf } from '../bench/process-usage.ts'
import { ConsumerClient } from '../support/consumer-client.ts'
import { http } from '../support/http-client.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { ProduceLoad } from '../support/produce-load.ts'
import { startPrivateKafka, uniqueName } from '../support/services.ts'
import { ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

const MiB = 1024 * 1024
const awayMs = 30_000

/** How the only broker goes away, and how it comes back. */
const ways = {
  killed: {
    leave: (kafka: LocalKafka) => kafka.kill(),
    comeBack: (kafka: LocalKafka) => kafka.restart(),
  },
  'standing still': {
    leave: async (kafka: LocalKafka) => kafka.process.signal('SIGSTOP'),
    comeBack: async (kafka: LocalKafka) => kafka.process.signal('SIGCONT'),
  },
} as const

// Both at the same time, since nearly all of it is waiting.
describe.concurrent.each(['killed', 'standing still'] as const)(
  `a broker that is ${awayMs / 1000} s away`,
  way => {
    let kafka: LocalKafka
    const nodes: LocalTier[] = []
    let gateway: LocalTier

    beforeAll(async () => {
      kafka = await startPrivateKafka()
      const deployment = newDeployment({ bootstrapServers: kafka.address })
      const settings = {
        // Shorter than the broker is away: some records get their error, and later ones are written.
        'producer.delivery.timeout.ms': 8000,
        'producer.request.timeout.ms': 4000,
        'producer.max.block.ms': 4000,
        'access.log.enable': false,
      }
      nodes.push(...(await Promise.all(['node-1', 'node-2'].map(id => startNode(deployment, id, settings)))))
      gateway = await startGateway(deployment, 'gateway')
    })

    afterAll(async () => {
      await Promise.all([gateway, ...nodes].map(tier => tier?.kill()))
      await kafka?.kill()
    })

    test(`${way}: what was acknowledged is there, /ready says so, consumers go on by themselves`, async () => {
      const topic = uniqueName('t')
      await createTopic(kafka.address, topic, { partitions: 4 })
      const group = uniqueName('g')
      const subscribed = await Promise.all(
        [0, 1].map(index => ConsumerClient.create(gateway.url, group, `subscribed-${index}`)),
      )
      for (const client of subscribed) expect((await client.subscribe(topic)).status).toBe(204)
      const assigned = await ConsumerClient.create(gateway.url, uniqueName('g'), 'assigned')
      expect((await assigned.assign([topic, 0], [topic, 1], [topic, 2], [topic, 3])).status).toBe(204)

      const load = ProduceLoad.start({ topic, url: () => gateway.url, clients: 8 })
      const watches = nodes.map(node => new ReadyWatch(node))
      const gatewayWatch = new ReadyWatch(gateway)
      const readings = new Map([...subscribed, assigned].map(client => [client, new Reading(client)]))
      await load.progress(200)
      const before = nodes.map(({ pid }) => residentBytesOf(pid))
      await ways[way].leave(kafka)
      const backAt = performance.now() + awayMs
      await until('the nodes to say that they are not ready', () =>
        watches.every(({ said }) => said.at(-1)?.status === 503),
      )
      // What needs no broker is answered as ever, by nodes that are not ready too.
      expect((await http({ base: gateway.url, path: '/nothing' })).status).toBe(404)
      const created = await ConsumerClient.create(gateway.url, uniqueName('g'), 'meanwhile')
      expect((await created.delete()).status).toBe(204)
      await until('records to get their error', () => load.refused.length > 8, { timeoutMs: 60_000 })
      await sleep(backAt - performance.now())
      const growth = nodes.map(({ pid }, index) => residentBytesOf(pid) - (before[index] ?? 0))
      expect(watches.map(({ said }) => said.at(-1)?.status)).toEqual([503, 503])
      await ways[way].comeBack(kafka)
      const startedAt = performance.now()
      await load.progress(200, 60_000)
      const resumedMs = performance.now() - startedAt
      await Promise.all(nodes.map(node => node.untilReady()))
      await load.stop()

      // Each group gets every acknowledged record, from consumers that were only asked again.
      const all = new Set(load.acknowledged.values())
      const seen = (clients: readonly ConsumerClient[]) =>
        new Set(clients.flatMap(client => readings.get(client)?.values ?? []))
      await until(
        'the consumers to have read everything',
        () => [...all].every(value => seen(subscribed).has(value) && seen([assigned]).has(value)),
        { timeoutMs: 60_000 },
      )
      for (const reading of readings.values()) await reading.stop()
      await Promise.all([...watches, gatewayWatch].map(watch => watch.stop()))
      const failures = [...readings.values()].flatMap(reading => reading.failures)
      const shown = growth.map(bytes => `${Math.round(bytes / MiB)} MiB`).join(' and ')
      console.info(
        `${way}: ${load.acknowledged.size} records acknowledged, ${load.refused.length} refused, ` +
          `${load.unanswered.size} unanswered; first records ${Math.round(resumedMs)} ms after the return; ` +
          `resident memory of the nodes grew by ${shown}; failed reads: ${[...new Set(failures)].join(', ') || 'none'}`,
      )
      const { missing } = await load.audit(kafka.address)
      expect(missing).toEqual([])
      expect([...load.unanswered]).toEqual([])
      // A result that may be tried again, for each record.
      for (const { status, text } of load.refused) {
        expect(status).toBe(200)
        expect(JSON.parse(text)).toMatchObject({ offsets: [{ error_code: 50003 }] })
      }
      for (const bytes of growth) expect(bytes).toBeLessThan(64 * MiB)
      // While the broker comes back a node may say so, and once more not, until it stays.
      for (const { said } of watches) {
        const statuses = said.map(({ status }) => status)
        expect([statuses.at(0), statuses.at(-1)]).toEqual([200, 200])
        expect(new Set(statuses)).toEqual(new Set([200, 503]))
      }
      // The gateway itself needs no broker.
      expect(gatewayWatch.said.map(({ status }) => status)).toEqual([200])
      for (const client of [...subscribed, assigned]) {
        expect((await client.delete()).status).toBe(204)
        client.close()
      }
    }, 240_000)
  },
)

/** A client that reads all the time, whatever it is told. */
class Reading {
  readonly values: string[] = []
  readonly failures: string[] = []
  readonly #reading: Promise<void>
  #running = true

  constructor(client: ConsumerClient) {
    this.#reading = this.#read(client)
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#reading
  }

  async #read(client: ConsumerClient): Promise<void> {
    while (this.#running) {
      const answer = await client.read()
      if (answer.status === 200)
        this.values.push(...(answer.json() as { value: string }[]).map(({ value }) => value))
      else this.failures.push(`${answer.status} ${(answer.json() as { error_code: number }).error_code}`)
      await sleep(20)
    }
  }
}
