import type { Clock } from '../clock.ts'
import type { Logger } from '../observability/logger.ts'
import { bucketCount, bucketOf } from './buckets.ts'
import type { RedisAddress } from './redis-client.ts'
import { RedisConnection } from './redis-connection.ts'
import type { RedisScript } from './redis-scripts.ts'
import {
  type ClaimRequest,
  type ClaimResult,
  type Found,
  type GoneReason,
  type Holding,
  type Member,
  type MemberList,
  nobody,
  type Placement,
  type Reassertion,
  type Renewal,
  type RoutingTable,
  RoutingTableUnavailable,
  type Sent,
} from './routing-table.ts'
import {
  failoverLetters,
  parseGoneReason,
  parseMember,
  parsePlacement,
  renderMember,
  storedName,
} from './table-records.ts'

export interface RedisRoutingTableOptions {
  readonly address: RedisAddress
  /** Start of all keys, with a hash tag that keeps them in one slot of a Cluster. Default `{kafka-rest}:`. */
  readonly keyPrefix?: string | undefined
  /** Longest wait for one answer, in ms. */
  readonly timeoutMs: number
  /** Most requests without an answer, and ms between two looks at the replication id: see RedisConnectionOptions. */
  readonly requestsMax?: number | undefined
  readonly checkIntervalMs?: number | undefined
  readonly log: Logger
  readonly clock: Clock
  /** Called for each record that does not parse; it is left out. */
  readonly onBadRecord?: ((kind: 'member' | 'placement') => void) | undefined
}

export const defaultKeyPrefix = '{kafka-rest}:'

/**
 * Opens the routing table in Redis 6.2 or later: standalone, behind Sentinels, or a Cluster. Returns also when Redis cannot be reached: requests are
 * refused until it can. All methods throw RoutingTableUnavailable and nothing else.
 */
export async function openRedisRoutingTable(options: RedisRoutingTableOptions): Promise<RoutingTable> {
  warnOfOpenRedis(options)
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  const connection = await RedisConnection.open({
    ...options,
    ownKey: `${options.keyPrefix ?? defaultKeyPrefix}birth`,
    onReturn: reason => {
      options.log.info({ reason }, 'the routing table may have lost data')
      tell()
    },
  })
  return new RedisRoutingTable(options, connection, listeners, tell)
}

class RedisRoutingTable implements RoutingTable {
  readonly #options: RedisRoutingTableOptions
  readonly #connection: RedisConnection
  readonly #listeners: Set<() => void>
  readonly #tell: () => void
  readonly #prefix: string
  #birth: string | undefined

  constructor(
    options: RedisRoutingTableOptions,
    connection: RedisConnection,
    listeners: Set<() => void>,
    tell: () => void,
  ) {
    this.#options = options
    this.#connection = connection
    this.#listeners = listeners
    this.#tell = tell
    this.#prefix = options.keyPrefix ?? defaultKeyPrefix
  }

  async renew(member: Member, leaseMs: number, session = 0): Promise<Renewal> {
    const { birth, rest } = await this.#run(
      'renew',
      [this.#dead(member.incarnation), this.#overruled()],
      [
        storedName(member.id),
        storedName(member.incarnation),
        integer(leaseMs),
        integer(session),
        renderMember(member),
      ],
    )
    const [outcome, detail = ''] = rest
    if (outcome === 'fenced') return { outcome: 'fenced' }
    if (outcome === 'taken') return { outcome: 'taken', by: this.#member(detail) ?? unreadable(member) }
    return { outcome: 'renewed', birth, lapsed: detail === 'lapsed' }
  }

  async leave(nodeId: string, incarnation: string): Promise<void> {
    await this.#run('leave', [], [storedName(nodeId), storedName(incarnation)])
  }

  async members(): Promise<MemberList> {
    const { birth, rest } = await this.#run('members', [], [])
    return { members: rest.map(text => this.#member(text)).filter(member => member !== undefined), birth }
  }

  async find(key: string): Promise<Found> {
    const { rest } = await this.#run('find', [this.#bucket(bucketOf(key))], [key])
    const [outcome, text = '', alive] = rest
    const placement = outcome === 'placed' ? this.#placement(key, text) : undefined
    if (placement) return { placement, ownerAlive: alive === '1' }
    return { placement: undefined, gone: parseGoneReason(text) }
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { key, node, incarnation, replaces, deathProved } = request
    const keys = [
      this.#bucket(bucketOf(key)),
      this.#dead(incarnation),
      this.#dead(replaces?.incarnation ?? incarnation),
    ]
    const { birth, rest } = await this.#run('claim', keys, [
      key,
      storedName(node),
      storedName(incarnation),
      ...sentArguments(request),
      integer(request.expiresAt),
      failoverLetters[request.failover],
      request.spec,
      ...(replaces ? holdingArguments(replaces) : ['', '', '0']),
      deathProved ? '1' : '0',
      integer(deathProved ? deathProved.markMs : 1),
    ])
    const [outcome, detail = '', more = ''] = rest
    switch (outcome) {
      case 'claimed': {
        const replaced = more === '' ? undefined : this.#placement(key, more)
        return { outcome, token: Number(detail), replaced }
      }
      case 'held': {
        const placement = this.#placement(key, detail)
        if (!placement) throw new RoutingTableUnavailable(`the placement of ${key} cannot be read`)
        return { outcome, placement, ownerAlive: more === '1' }
      }
      case 'fenced':
      case 'late':
      case 'unregistered':
        return { outcome }
      default:
        return { outcome: 'reborn', birth }
    }
  }

  async release(key: string, held: Holding, reason: GoneReason, tombstoneMs: number): Promise<boolean> {
    const args = [key, ...holdingArguments(held), reason, integer(tombstoneMs)]
    return this.#isDone(await this.#run('release', [this.#bucket(bucketOf(key))], args))
  }

  async update(key: string, held: Holding, change: { expiresAt?: number; spec?: string }): Promise<boolean> {
    const keys = [this.#bucket(bucketOf(key)), this.#dead(held.incarnation)]
    const expiresAt = change.expiresAt === undefined ? '' : integer(change.expiresAt)
    const spec = change.spec === undefined ? ['0', ''] : ['1', change.spec]
    return this.#isDone(await this.#run('update', keys, [key, ...holdingArguments(held), expiresAt, ...spec]))
  }

  async handBack(key: string, held: Holding, change: { expiresAt: number; spec: string }): Promise<boolean> {
    const keys = [this.#bucket(bucketOf(key)), this.#dead(held.incarnation)]
    const args = [key, ...holdingArguments(held), integer(change.expiresAt), change.spec, nobody]
    return this.#isDone(await this.#run('handBack', keys, args))
  }

  async reassert(placements: readonly Placement[], sent: Sent = {}): Promise<Reassertion> {
    const lost: string[] = []
    const tokens = new Map<string, number>()
    const [first] = placements
    if (!first) return { outcome: 'asserted', lost, tokens }
    const keys = [
      this.#dead(first.incarnation),
      this.#overruled(),
      ...placements.map(({ key }) => this.#bucket(bucketOf(key))),
    ]
    const { birth, rest } = await this.#run('reassert', keys, [
      storedName(first.node),
      storedName(first.incarnation),
      ...sentArguments(sent),
      ...placements.flatMap(({ key, token, expiresAt, failover, spec }) => [
        key,
        integer(token),
        integer(expiresAt),
        failoverLetters[failover],
        spec,
      ]),
    ])
    const [outcome, ...results] = rest
    if (outcome === 'fenced' || outcome === 'late' || outcome === 'unregistered') return { outcome }
    if (outcome === 'reborn') return { outcome, birth }
    for (const [index, { key }] of placements.entries()) {
      const token = results[index]
      if (token) tokens.set(key, Number(token))
      else lost.push(key)
    }
    return { outcome: 'asserted', lost, tokens }
  }

  async retire(nodeId: string, incarnation: string, markMs: number): Promise<void> {
    const args = [storedName(nodeId), storedName(incarnation), integer(markMs)]
    await this.#run('retire', [this.#dead(incarnation)], args)
  }

  /**
   * Goes through all buckets, a few at a time: bounded steps that never hold Redis for long. An index for each node
   * would make this cheaper, and would cost each placement another copy of its key (about 100 bytes) and each claim
   * another write, for what only operators ask.
   */
  async list(
    filter: { node?: string; group?: string; bucket?: number },
    limit: number,
  ): Promise<Placement[]> {
    const node = filter.node === undefined ? '' : storedName(filter.node)
    const group = filter.group === undefined ? '' : `${encodeURIComponent(filter.group)}/`
    const listed = (bucket: number, most: number) =>
      this.#run('list', [this.#bucket(bucket)], [node, group, integer(most)])
    if (filter.bucket !== undefined) return this.#placements((await listed(filter.bucket, limit)).rest)
    const found: Placement[] = []
    for (let first = 0; first < bucketCount && found.length < limit; first += bucketsAtOnce) {
      const buckets = Array.from({ length: bucketsAtOnce }, (_, index) => first + index)
      const replies = await Promise.all(buckets.map(bucket => listed(bucket, limit - found.length)))
      for (const { rest } of replies) found.push(...this.#placements(rest))
    }
    return found.slice(0, limit)
  }

  async orphans(bucket: number, limit: number): Promise<Placement[]> {
    return this.#placements((await this.#run('orphans', [this.#bucket(bucket)], [integer(limit)])).rest)
  }

  async removeOrphan(orphan: Placement, tombstoneMs: number): Promise<boolean> {
    const args = [orphan.key, ...holdingArguments(orphan), integer(tombstoneMs)]
    return this.#isDone(await this.#run('removeOrphan', [this.#bucket(bucketOf(orphan.key))], args))
  }

  ping(): Promise<void> {
    return this.#connection.ping()
  }

  onReturn(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async stop(): Promise<void> {
    this.#listeners.clear()
    await this.#connection.stop()
  }

  async #run(
    script: RedisScript,
    keys: string[],
    args: string[],
  ): Promise<{ birth: string; rest: string[] }> {
    const all = [`${this.#prefix}birth`, `${this.#prefix}members`, ...keys]
    const [birth = '', ...rest] = await this.#connection.run(script, all, [crypto.randomUUID(), ...args])
    const reborn = this.#birth !== undefined && this.#birth !== birth
    this.#birth = birth
    if (reborn) {
      this.#options.log.warn('Redis lost the contents of the routing table')
      this.#tell()
    }
    return { birth, rest }
  }

  #isDone({ rest }: { rest: string[] }): boolean {
    return rest[0] === '1'
  }

  #bucket(bucket: number): string {
    return `${this.#prefix}p:${bucket}`
  }

  #overruled(): string {
    return `${this.#prefix}overruled`
  }

  #dead(incarnation: string): string {
    return `${this.#prefix}dead:${storedName(incarnation)}`
  }

  #member(text: string): Member | undefined {
    const member = parseMember(text)
    if (!member) this.#options.onBadRecord?.('member')
    return member
  }

  #placement(key: string, text: string): Placement | undefined {
    const placement = parsePlacement(key, text)
    if (!placement) this.#options.onBadRecord?.('placement')
    return placement
  }

  /** Pairs of key and text. */
  #placements(pairs: readonly string[]): Placement[] {
    const placements: Placement[] = []
    for (let index = 0; index + 1 < pairs.length; index += 2) {
      const placement = this.#placement(pairs[index] ?? '', pairs[index + 1] ?? '')
      if (placement) placements.push(placement)
    }
    return placements
  }
}

/** Divides the number of buckets. */
const bucketsAtOnce = 16

const integer = (value: number): string => String(Math.floor(value))

const sentArguments = ({ session = 0, birth = '' }: Sent): string[] => [integer(session), birth]

const holdingArguments = ({ node, incarnation, token }: Holding): string[] => [
  storedName(node),
  storedName(incarnation),
  integer(token),
]

/** The holder of an id whose record cannot be read. */
function unreadable({ id, zone }: Member): Member {
  const unknown = { url: 'unknown', internalUrl: 'unknown', incarnation: 'unknown', signature: '' }
  return { id, zone, ...unknown, state: 'active', instances: 0, instancesMax: 0, failover: 'recreate' }
}

/** Whoever can write to the table can see and hold consumer names, and sends gateways elsewhere where no token is set. */
function warnOfOpenRedis({ address, log }: RedisRoutingTableOptions): void {
  const { hostname, password } = new URL(address.url)
  const loopback = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
  if (password === '' && !loopback)
    log.warn({ host: hostname }, 'Redis has no password: anyone who reaches it can change the routing')
}
