import { randomBytes } from 'node:crypto'
import { freePort } from '../../infra/local/free-port.ts'
import { LocalTier, type TierSettings } from '../../infra/local/tier.ts'
import { kafkaAddress, newTestDir, redisUrl, testPidDir } from './services.ts'

/** What the gateways and nodes of one test share. */
export interface Deployment {
  token: string
  keyPrefix: string
  redisUrl: string
  bootstrapServers: string
}

/** A deployment of its own on the shared Kafka and Redis: nothing in Redis is shared with other tests. */
export function newDeployment(overrides: Partial<Deployment> = {}): Deployment {
  const random = randomBytes(16).toString('hex')
  return {
    token: `test-${random}`,
    keyPrefix: `{test-${random.slice(0, 8)}}:`,
    redisUrl: overrides.redisUrl ?? redisUrl(),
    bootstrapServers: overrides.bootstrapServers ?? kafkaAddress(),
    ...overrides,
  }
}

async function tierOptions(deployment: Deployment, id: string, settings: TierSettings) {
  return {
    id,
    dir: newTestDir(id),
    port: await freePort(),
    adminPort: await freePort(),
    pidDir: testPidDir(),
    settings: {
      'redis.url': deployment.redisUrl,
      'redis.key.prefix': deployment.keyPrefix,
      'internal.token': deployment.token,
      ...settings,
    },
  }
}

/** Starts a proxy node as a process and waits until it is ready. Stop it in `afterAll`. */
export async function startNode(
  deployment: Deployment,
  id: string,
  settings: TierSettings = {},
): Promise<LocalTier> {
  const own = { 'bootstrap.servers': deployment.bootstrapServers, ...settings }
  return LocalTier.start({ tier: 'proxy-node', ...(await tierOptions(deployment, id, own)) })
}

/** Starts a gateway as a process and waits until it is ready. Stop it in `afterAll`. */
export async function startGateway(
  deployment: Deployment,
  id: string,
  settings: TierSettings = {},
): Promise<LocalTier> {
  return LocalTier.start({ tier: 'gateway', ...(await tierOptions(deployment, id, settings)) })
}

/**
 * Launches a proxy node that is not expected to become ready, such as one with bad settings: wait for its
 * end with `process.exited` and read `log()`. Stop it in `afterAll`.
 */
export async function launchNode(
  deployment: Deployment,
  id: string,
  settings: TierSettings = {},
): Promise<LocalTier> {
  const own = { 'bootstrap.servers': deployment.bootstrapServers, ...settings }
  return LocalTier.launch({ tier: 'proxy-node', ...(await tierOptions(deployment, id, own)) })
}

/** Like launchNode, for a gateway. */
export async function launchGateway(
  deployment: Deployment,
  id: string,
  settings: TierSettings = {},
): Promise<LocalTier> {
  return LocalTier.launch({ tier: 'gateway', ...(await tierOptions(deployment, id, settings)) })
}
