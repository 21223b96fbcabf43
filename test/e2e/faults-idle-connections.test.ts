import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'
import { residentBytesOf } from '../bench/process-usage.ts'
import { createTopic } from '../support/kafka-topics.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { ProduceLoad } from '../support/produce-load.ts'
import { kafkaAddress, uniqueName } from '../support/services.ts'
import { ReadyWatch } from '../support/tier-watch.ts'
import { until } from '../support/until.ts'

// Only bounds a failing test: many processes on a busy machine.

/** As many as the machine lets a process have: Node raises its soft limit to the hard one by itself. */
const filesMax = Number(
  /^Max open files +\S+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024,
)
const count = Math.min(10_000, filesMax - 500)

let node: LocalTier
let gateway: LocalTier
let topic: string

beforeAll(async () => {
  const deployment = newDeployment()
  node = await startNode(deployment, 'node')
  gateway = await startGateway(deployment, 'gateway', { 'access.log.enable': false })
  topic = uniqueName('served')
  await createTopic(kafkaAddress(), topic)
})

afterAll(async () => {
  await Promise.all([gateway, node].map(tier => tier?.kill()))
})

/** The clients' process: it is there when all connections are open. */
async function idleClients() {
  const script = fileURLToPath(new URL('../support/idle-clients.ts', import.meta.url))
  const args = [script, gateway.url, String(count)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  onTestFinished(async () => {
    child.kill()
    await exited
  })
  return {
    async opened(): Promise<void> {
      expect(await lines.next()).toMatchObject({ value: 'open' })
    },
    /** Connections that were closed on it. */
    async lost(): Promise<number> {
      child.stdin.write('\n')
      return Number((await lines.next()).value)
    },
    async leave(): Promise<void> {
      child.stdin.end()
      await exited
    },
  }
}

/** Established connections of the gateway's process: its sockets. */
const socketsOf = (tier: LocalTier): number => {
  const [, , ...lines] = readFileSync(`/proc/${tier.pid}/net/tcp`, 'utf8').split('\n')
  const port = Number(tier.address.split(':')[1]).toString(16).toUpperCase().padStart(4, '0')
  // Local address in hexadecimal; 01 is ESTABLISHED.
  return lines.filter(line => new RegExp(`^ *\\d+: [0-9A-F]{8}:${port} [0-9A-F:]+ 01 `).test(line)).length
}

test(`${count} idle connections cost the gateway little, and the others are served`, async () => {
  const load = ProduceLoad.start({ topic, url: () => gateway.url })
  const watch = new ReadyWatch(gateway)
  await load.progress(200)
  const before = residentBytesOf(gateway.pid)
  const clients = await idleClients()
  await clients.opened()
  expect(socketsOf(gateway)).toBeGreaterThanOrEqual(count)
  await load.progress(200)
  const each = (residentBytesOf(gateway.pid) - before) / count
  console.info(`${count} idle connections: ${Math.round(each / 1024)} KiB resident each in the gateway`)
  expect(each).toBeLessThan(32 * 1024)
  expect(await clients.lost()).toBe(0)
  await clients.leave()
  await until('the gateway to have let them go', () => socketsOf(gateway) < 100)
  await load.progress(200)
  await load.stop()
  await watch.stop()
  expect([load.refused, [...load.unanswered]]).toEqual([[], []])
  expect(watch.said.map(({ status }) => status)).toEqual([200])
})
