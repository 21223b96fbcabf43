import { readFileSync } from 'node:fs'
import { Cluster, Redis, type RedisOptions } from 'ioredis'

/** Where Redis is, and how it is spoken to. */
export interface RedisAddress {
  /**
   * `redis://` or `rediss://` (TLS), with user, password and database if there are any. With Sentinel its host and port
   * are not used: the Sentinels tell the primary's.
   */
  readonly url: string
  readonly mode: 'standalone' | 'sentinel' | 'cluster'
  /** host:port of the Sentinels, or of nodes of the Cluster besides the url's own. */
  readonly nodes: readonly string[]
  /** Name under which the Sentinels watch the primary, and their own password. */
  readonly sentinelMaster: string
  readonly sentinelPassword: string
  /** PEM files for TLS: the authorities besides which none is believed, and a certificate of our own; empty: none. */
  readonly caLocation: string
  readonly certificateLocation: string
  readonly keyLocation: string
}

/** A standalone Redis without files of its own. */
export function standaloneRedis(url: string): RedisAddress {
  return {
    url,
    mode: 'standalone',
    nodes: [],
    sentinelMaster: '',
    sentinelPassword: '',
    caLocation: '',
    certificateLocation: '',
    keyLocation: '',
  }
}

/** What the routing table needs of either client. */
export type RedisClient = Redis | Cluster

/**
 * Makes a client that fails fast: nothing is queued while there is no connection, nothing is sent twice, and an answer
 * is waited for no longer than the time-out. It is not connected yet.
 * @throws the system's error for a file that cannot be read.
 */
export function createRedisClient(address: RedisAddress, timeoutMs: number): RedisClient {
  const url = new URL(address.url)
  const tls = url.protocol === 'rediss:' ? tlsOptions(address) : undefined
  const options = {
    ...credentials(url),
    ...(tls ? { tls } : {}),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Requests under way fail as soon as the connection does.
    maxRetriesPerRequest: 0,
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    // A connection that is silent while answers are due is replaced.
    socketTimeout: timeoutMs * silentTimeouts,
    retryStrategy: reconnectPause,
    // After a fail-over the old primary answers as a replica: another connection may find the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY '),
    // RESP2 needs no HELLO, which proxies in front of Redis may not know.
    protocol: 2,
    disableClientInfo: true,
    connectionName: 'kafka-rest',
  } as const satisfies RedisOptions
  switch (address.mode) {
    case 'standalone':
      return new Redis({ ...options, ...hostAndPort(url.host, 6379), db: databaseOf(url) })
    case 'sentinel':
      return new Redis({
        ...options,
        db: databaseOf(url),
        sentinels: address.nodes.map(node => hostAndPort(node, 26_379)),
        name: address.sentinelMaster,
        ...(address.sentinelPassword === '' ? {} : { sentinelPassword: address.sentinelPassword }),
        ...(tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
        sentinelRetryStrategy: reconnectPause,
        sentinelCommandTimeout: timeoutMs,
        // The Sentinels tell of a fail-over, so that no request has to meet it.
        failoverDetector: true,
      })
    case 'cluster':
      return new Cluster(
        [url.host, ...address.nodes].map(node => hostAndPort(node, 6379)),
        {
          lazyConnect: true,
          enableOfflineQueue: false,
          redisOptions: options,
          clusterRetryStrategy: reconnectPause,
          slotsRefreshTimeout: timeoutMs,
          slotsRefreshInterval: clusterLookMs,
          // While a primary is being replaced a request fails like any other that Redis does not answer.
          retryDelayOnClusterDown: 0,
          retryDelayOnFailover: reconnectMinMs,
          retryDelayOnTryAgain: reconnectMinMs,
          maxRedirections: redirectionsMax,
          // Certificates name hosts, and a Cluster tells addresses.
          ...(tls ? { dnsLookup: (host, done) => done(null, host) } : {}),
        },
      )
  }
}

function tlsOptions({ caLocation, certificateLocation, keyLocation }: RedisAddress) {
  return {
    ...(caLocation === '' ? {} : { ca: readFileSync(caLocation) }),
    ...(certificateLocation === '' ? {} : { cert: readFileSync(certificateLocation) }),
    ...(keyLocation === '' ? {} : { key: readFileSync(keyLocation) }),
  }
}

function credentials(url: URL): { username?: string; password?: string } {
  return {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
  }
}

function databaseOf({ pathname }: URL): number {
  return Number(pathname.slice(1)) || 0
}

function hostAndPort(text: string, portDefault: number): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${text}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? portDefault : Number(port) }
}

const reconnectMinMs = 50
const reconnectMaxMs = 1000
const silentTimeouts = 3
const clusterLookMs = 5000
const redirectionsMax = 4

function reconnectPause(times: number): number {
  return Math.min(reconnectMinMs * 2 ** Math.min(times - 1, 10), reconnectMaxMs)
}
