import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosDeployment, ChaosTier } from './deployment.ts'
import type { Fault, FaultKind } from './schedule.ts'

/** A fault as it happened. */
export interface FaultRecord {
  readonly kind: FaultKind
  readonly startedAt: number
  readonly endedAt: number
  /** When the process had been killed, if that is what it was. */
  readonly killedAt: number | undefined
}

export interface FaultOptions {
  readonly deployment: ChaosDeployment
  readonly faults: readonly Fault[]
  /** Faults that would begin after this time of the run are left out. */
  readonly lengthMs: number
  /** Called with what happens, as it happens. */
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** Does the faults, one after the other. @throws when a process does not come up again, or when the signal aborts. */
export async function doFaults(options: FaultOptions): Promise<FaultRecord[]> {
  const { deployment, faults, lengthMs, say, signal } = options
  const begunAt = performance.now()
  const records: FaultRecord[] = []
  for (const fault of faults) {
    const waitMs = begunAt + fault.atMs - performance.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { signal })
    if (performance.now() - begunAt > lengthMs) {
      say(`left out, since there is no time: ${fault.kind}`)
      continue
    }
    const startedAt = performance.now()
    const killedAt = await doFault(fault, deployment, say, signal)
    records.push({ kind: fault.kind, startedAt, endedAt: performance.now(), killedAt })
  }
  const restMs = begunAt + lengthMs - performance.now()
  if (restMs > 0) await sleep(restMs, undefined, { signal })
  return records
}

/** @returns when a process had been killed. */
async function doFault(
  { kind, target: wanted, holdMs }: Fault,
  deployment: ChaosDeployment,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { nodes, gateways, redis, redisDir, kafka } = deployment
  const target = wanted === 'fullest' ? await fullest(nodes) : wanted
  const node = pick(nodes, target)
  const gateway = pick(gateways, target)
  const hold = () => sleep(holdMs, undefined, { signal })
  switch (kind) {
    case 'kill node':
      return killed([node], hold, say)
    case 'kill gateway':
      return killed([gateway], hold, say)
    case 'kill two nodes':
      return killed([node, pick(nodes, target + 1)], hold, say)
    case 'pause node below lease':
    case 'pause node beyond lease':
      return paused(node, holdMs, hold, say)
    case 'pause gateway':
      return paused(gateway, holdMs, hold, say)
    case 'rolling restart of nodes':
      return rolled(rotated(nodes, target), hold, say)
    case 'rolling restart of gateways':
      return rolled(rotated(gateways, target), hold, say)
    case 'pause Redis':
      say(`SIGSTOP Redis for ${holdMs} ms`)
      redis.process.signal('SIGSTOP')
      try {
        await hold()
      } finally {
        redis.process.signal('SIGCONT')
      }
      say('SIGCONT Redis')
      return undefined
    case 'restart Redis with its data':
    case 'restart Redis empty':
      say(
        `kill -9 Redis for ${holdMs} ms, ${kind === 'restart Redis empty' ? 'all its data lost' : 'its data kept'}`,
      )
      await redis.kill()
      await hold()
      if (kind === 'restart Redis empty')
        rmSync(join(redisDir, 'appendonlydir'), { recursive: true, force: true })
      await redis.restart()
      say('Redis is back')
      return undefined
    case 'restart Kafka':
      say(`${target % 2 === 0 ? 'kill -9' : 'SIGTERM'} Kafka for ${holdMs} ms`)
      await (target % 2 === 0 ? kafka.kill() : kafka.stop())
      await hold()
      await kafka.restart()
      say('Kafka is back')
      return undefined
  }
}

async function killed(
  tiers: readonly ChaosTier[],
  hold: () => Promise<void>,
  say: (line: string) => void,
): Promise<number> {
  say(`kill -9 ${names(tiers)}`)
  await Promise.all(tiers.map(tier => tier.kill()))
  const killedAt = performance.now()
  await hold()
  say(`starting ${names(tiers)}`)
  await Promise.all(tiers.map(tier => tier.start()))
  say(`${names(tiers)} ready`)
  return killedAt
}

async function paused(
  tier: ChaosTier,
  holdMs: number,
  hold: () => Promise<void>,
  say: (line: string) => void,
): Promise<undefined> {
  say(`SIGSTOP ${tier.id} for ${holdMs} ms`)
  tier.tier.pause()
  try {
    await hold()
  } finally {
    tier.tier.continue()
  }
  say(`SIGCONT ${tier.id}`)
}

/** The node with the most consumer instances, by its number. */
async function fullest(nodes: readonly ChaosTier[]): Promise<number> {
  const counts = await Promise.all(
    nodes.map(async ({ tier }) => {
      const { text } = await tier.admin('/metrics')
      return Number(/^kafka_rest_node_consumer_instances (\d+)$/m.exec(text)?.[1] ?? 0)
    }),
  )
  return counts.indexOf(Math.max(...counts))
}

/** Restarts processes in turn, as an upgrade does. */
export async function rolled(
  tiers: readonly ChaosTier[],
  hold: () => Promise<void>,
  say: (line: string) => void,
): Promise<undefined> {
  for (const tier of tiers) {
    const startedAt = performance.now()
    say(`SIGTERM ${tier.id}`)
    await tier.stop()
    const stoppedAt = performance.now()
    await tier.start()
    say(
      `${tier.id} stopped in ${Math.round(stoppedAt - startedAt)} ms, ready again after ${Math.round(performance.now() - stoppedAt)} ms`,
    )
    await hold()
  }
}

const names = (tiers: readonly ChaosTier[]): string => tiers.map(({ id }) => id).join(', ')

function pick(tiers: readonly ChaosTier[], index: number): ChaosTier {
  const tier = tiers[index % tiers.length]
  if (tier === undefined) throw new Error('there is no such process')
  return tier
}

/** All of them, from the one at `index` on. */
const rotated = (tiers: readonly ChaosTier[], index: number): ChaosTier[] =>
  tiers.map((_, offset) => pick(tiers, index + offset))
