import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT_DIR } from './cache.ts'
import { freePort } from './free-port.ts'
import { NODE_FLAGS } from './node-flags.ts'
import { type PartExit, type PartProcess, startPart, untilReady } from './part-process.ts'
import { type TierSettings, tierEnvironment } from './tier.ts'

export interface SingleProcessOptions {
  /** Folder for the settings file and the log. */
  dir: string
  /** The gateway's port on 127.0.0.1. */
  port: number
  /** Number of proxy nodes in the process. */
  nodes: number
  /** Settings that all its gateways and nodes share. */
  settings: TierSettings
  pidDir?: string | undefined
  signal?: AbortSignal | undefined
}

/** What the process is told, in a file that only this user can read: it holds the internal token. */
export interface SingleProcessPlan {
  gateway: TierSettings
  nodes: TierSettings[]
}

const READY_TIMEOUT_MS = 60_000
const ADMIN_TIMEOUT_MS = 5_000

/** One process with a gateway and proxy nodes around a routing table in memory. */
export interface SingleProcess {
  readonly address: string
  /** `http://127.0.0.1:port` of the gateway's admin listener. */
  readonly adminUrl: string
  readonly process: PartProcess
  stop(): Promise<PartExit>
}

/** Starts single-process.ts and waits until its gateway and each of its nodes are ready. */
export async function startSingleProcess(options: SingleProcessOptions): Promise<SingleProcess> {
  const plan = await planOf(options)
  const planFile = join(options.dir, 'single-process.json')
  writeFileSync(planFile, JSON.stringify(plan), { mode: 0o600 })
  const part = await startPart({
    name: 'gateway and nodes',
    command: process.execPath,
    args: [...NODE_FLAGS, join(ROOT_DIR, 'infra/local/single-process.ts'), planFile],
    env: tierEnvironment(process.env),
    logFile: join(options.dir, 'single-process.log'),
    pidDir: options.pidDir,
  })
  const probe = async () => {
    const answers = await Promise.all([plan.gateway, ...plan.nodes].map(isReady))
    return answers.every(ready => ready)
  }
  try {
    await untilReady(part, probe, { timeoutMs: READY_TIMEOUT_MS, signal: options.signal })
  } catch (error) {
    await part.kill()
    throw error
  }
  return {
    address: `127.0.0.1:${options.port}`,
    adminUrl: String(plan.gateway['admin.listener']),
    process: part,
    stop: () => part.stop(),
  }
}

async function isReady(settings: TierSettings): Promise<boolean> {
  const signal = AbortSignal.timeout(ADMIN_TIMEOUT_MS)
  const answer = await fetch(`${settings['admin.listener']}/ready`, { signal })
  await answer.body?.cancel()
  return answer.ok
}

async function planOf({ port, nodes, settings }: SingleProcessOptions): Promise<SingleProcessPlan> {
  const listeners = async (id: string, dataPort: number) => ({
    id,
    listeners: `http://127.0.0.1:${dataPort}`,
    'admin.listener': `http://127.0.0.1:${await freePort()}`,
  })
  const plan: SingleProcessPlan = {
    gateway: {
      ...(await listeners('gateway', port)),
      'internal.token': settings['internal.token'] ?? '',
      'admin.tokens': settings['admin.tokens'] ?? '',
    },
    nodes: [],
  }
  for (let number = 1; number <= nodes; number += 1) {
    plan.nodes.push({ ...(await listeners(`node-${number}`, await freePort())), ...settings })
  }
  return plan
}
