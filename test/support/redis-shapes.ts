import { Redis } from 'ioredis'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalRedis } from '../../infra/local/redis.ts'
import { type RedisAddress, standaloneRedis } from '../../shared/routing/redis-client.ts'
import { redisUrl, startPrivateRedis } from './services.ts'
import { makeCertificate } from './tls-certificate.ts'
import { until } from './until.ts'

/** A Redis in one of its shapes, started for one test file. */
export interface ShapedRedis {
  readonly address: RedisAddress
  /** Kills what holds the data now (kill -9) once its replica has all of it, and makes sure that the replica takes its place. */
  failOver?(): Promise<void>
  /** Deletes the keys with this prefix. */
  clear(prefix: string): Promise<void>
  stop(): Promise<void>
}

const password = 'a secret: with @ and /'
const credentials = `:${encodeURIComponent(password)}@`

/** The standalone one that all tests share. */
export function sharedRedis(): ShapedRedis {
  const url = redisUrl()
  return {
    address: standaloneRedis(url),
    clear: prefix => deleteKeys(url, prefix),
    stop: async () => undefined,
  }
}

/** TLS on a port of its own, with a password and a certificate that no public authority knows. */
export async function startTlsRedis(): Promise<ShapedRedis & { readonly certificate: string }> {
  const { certificate, key } = makeCertificate('127.0.0.1')
  const port = await freePort()
  const server = await startPrivateRedis({
    password,
    config: [
      `tls-port ${port}`,
      `tls-cert-file ${certificate}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${certificate}`,
      'tls-auth-clients optional',
    ],
  })
  const address = {
    ...standaloneRedis(`rediss://${credentials}127.0.0.1:${port}`),
    caLocation: certificate,
  }
  return {
    address,
    certificate,
    clear: prefix => deleteKeys(server.url, prefix),
    stop: () => stopAll([server]),
  }
}

/** A primary, a replica, and a Sentinel that decides alone. */
export async function startSentinelRedis(): Promise<ShapedRedis> {
  const config = [`masterauth ${JSON.stringify(password)}`, 'repl-diskless-sync-delay 0']
  const primary = await startPrivateRedis({ password, config })
  const replica = await startPrivateRedis({
    password,
    config: [...config, `replicaof 127.0.0.1 ${primary.port}`],
  })
  const sentinel = await startPrivateRedis({
    sentinel: true,
    config: [
      `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
      `sentinel auth-pass main ${JSON.stringify(password)}`,
      'sentinel down-after-milliseconds main 3000',
      'sentinel failover-timeout main 2000',
    ],
  })
  const asked = new Redis(sentinel.url)
  await until('the Sentinel to know the replica', async () => {
    const replicas = await asked.call('SENTINEL', 'REPLICAS', 'main')
    return Array.isArray(replicas) && replicas.length === 1 && String(replicas).includes('ok')
  })
  let current = primary
  return {
    address: {
      ...standaloneRedis(`redis://${credentials}127.0.0.1:1`),
      mode: 'sentinel',
      nodes: [sentinel.address],
      sentinelMaster: 'main',
    },
    async failOver() {
      await replicated(primary.url)
      await primary.kill()
      current = replica
      await until('the Sentinel to name the replica', async () =>
        String(await asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')).includes(
          String(replica.port),
        ),
      )
    },
    clear: prefix => deleteKeys(current.url, prefix),
    async stop() {
      asked.disconnect()
      await stopAll([sentinel, replica, primary])
    },
  }
}

/** A Cluster of one primary with all slots, and its replica. */
export async function startClusterRedis(): Promise<ShapedRedis> {
  const start = (busPort: number) =>
    startPrivateRedis({
      config: [
        'cluster-enabled yes',
        'cluster-node-timeout 1000',
        // Else the port plus 10,000, which any outgoing connection may have.
        `cluster-port ${busPort}`,
        'repl-diskless-sync-delay 0',
      ],
    })
  const busPort = await freePort()
  const primary = await start(busPort)
  const replica = await start(await freePort())
  const [first, second] = [new Redis(primary.url), new Redis(replica.url)]
  // It is killed.
  first.on('error', () => undefined)
  await first.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await second.call('CLUSTER', 'MEET', '127.0.0.1', String(primary.port), String(busPort))
  const id = String(await first.call('CLUSTER', 'MYID'))
  await until(
    'the replica to follow',
    async () => String(await second.call('CLUSTER', 'REPLICATE', id)) === 'OK',
  )
  await until('the replica to be up to date', async () =>
    /master_link_status:up/.test(await second.info('replication')),
  )
  for (const node of [first, second])
    await until('the Cluster to be there', async () =>
      String(await node.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    )
  let current = primary
  return {
    address: { ...standaloneRedis(primary.url), mode: 'cluster', nodes: [replica.address] },
    async failOver() {
      await replicated(primary.url)
      await primary.kill()
      current = replica
      // A majority of primaries would vote for it; this Cluster had one.
      await second.call('CLUSTER', 'FAILOVER', 'TAKEOVER')
    },
    clear: prefix => deleteKeys(current.url, prefix),
    async stop() {
      first.disconnect()
      second.disconnect()
      await stopAll([replica, primary])
    },
  }
}

/** Replication is asynchronous: an answer says nothing of the replica. */
async function replicated(primaryUrl: string): Promise<void> {
  const redis = new Redis(primaryUrl)
  try {
    // WAIT covers the writes of its own connection only, so it makes one.
    await until('the replica to have everything', async () => {
      await redis.set('replicated-up-to', String(performance.now()))
      return (await redis.wait(1, 1000)) >= 1
    })
  } finally {
    redis.disconnect()
  }
}

async function deleteKeys(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url)
  const keys = await redis.keys(`${prefix}*`)
  if (keys.length > 0) await redis.del(keys)
  redis.disconnect()
}

async function stopAll(servers: readonly LocalRedis[]): Promise<void> {
  await Promise.all(servers.filter(server => server.process.running).map(server => server.stop()))
}
