import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { consumerGoneHeader, internalHeaders, internalRoutes } from '../../shared/http/internal-headers.ts'
import { drawIncarnation, instanceKey } from '../../shared/ids.ts'
import { matchRoute } from '../../shared/rest/routes.ts'
import type { Holding, Member, RoutingTable } from '../../shared/routing/routing-table.ts'
import { createMemberSigner } from '../../shared/security/member-signature.ts'

export interface StandInOptions {
  id: string
  table: RoutingTable
  token: string
  zone?: string
  leaseMs?: number
  instancesMax?: number
  failover?: Member['failover']
}

/** One request that reached the stand-in on the public routes. */
export interface SeenRequest {
  method: string
  target: string
  headers: IncomingMessage['headers']
  body: string
  trusted: boolean
}

/**
 * Speaks the node's side of the protocol between the tiers, without Kafka: member record, claims, 421, questions. For
 * tests of the gateway that need to bend a node in ways that a real one does not allow.
 */
export class StandInNode {
  readonly id: string
  incarnation = drawIncarnation()
  url = ''
  state: 'active' | 'draining' = 'active'
  /** What its record says; undefined: what it holds. */
  instancesShown: number | undefined
  readonly held = new Map<string, Holding>()
  readonly seen: SeenRequest[] = []
  readonly questions: string[] = []
  readonly outcomes: { key: string; read_id: string; delivered: boolean }[] = []
  /** Whether it takes part in questions between processes. */
  answersQuestions = true
  /** Answers instead of the usual; false: as usual. */
  override: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean = () => false
  readonly #options: StandInOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #renewing: NodeJS.Timeout | undefined
  #reads = 0

  constructor(options: StandInOptions) {
    this.id = options.id
    this.#options = options
    this.#server = createServer((incoming, outgoing) => void this.#answer(incoming, outgoing))
    this.#server.keepAliveTimeout = 75_000
    this.#server.on('connection', socket => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(options: StandInOptions): Promise<StandInNode> {
    const node = new StandInNode(options)
    await new Promise<void>(resolve => node.#server.listen(0, '127.0.0.1', resolve))
    const address = node.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('not listening')
    node.url = `http://127.0.0.1:${address.port}`
    await node.renew()
    node.#renewing = setInterval(() => void node.renew().catch(() => {}), 200)
    return node
  }

  async renew(): Promise<void> {
    const { id, table, token, zone = '', leaseMs = 5000 } = this.#options
    const { instancesMax = 2000, failover = 'recreate' } = this.#options
    const { incarnation, url, state } = this
    const facts = { id, incarnation, url, internalUrl: url }
    const signature = await createMemberSigner(token).sign(facts)
    const instances = this.instancesShown ?? this.held.size
    await table.renew({ ...facts, zone, state, instances, instancesMax, failover, signature }, leaseMs)
  }

  /** Takes an instance over from another node. */
  async takeOver(key: string, from: StandInNode): Promise<void> {
    const before = from.held.get(key)
    if (!before) throw new Error(`${from.id} does not hold ${key}`)
    const holding = { node: this.id, incarnation: this.incarnation, token: before.token + 1 }
    const placement = { key, ...holding, expiresAt: 1e15, failover: 'recreate', spec: '{}' } as const
    await this.#options.table.reassert([placement])
    from.held.delete(key)
    this.held.set(key, holding)
  }

  /** Stops renewing, but goes on serving. */
  stopRenewing(): void {
    clearInterval(this.#renewing)
  }

  /** Ends as kill -9 does: every connection is reset, the port refuses, the member record stays until its lease ends. */
  kill(): Promise<void> {
    clearInterval(this.#renewing)
    for (const socket of this.#sockets) socket.resetAndDestroy()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const target = incoming.url ?? '/'
    const trusted = incoming.headers[internalHeaders.token] === this.#options.token
    if (target.startsWith('/internal/')) return this.#answerQuestion(incoming, outgoing, trusted)
    if (this.override(incoming, outgoing)) return
    const method = incoming.method ?? 'GET'
    const match = matchRoute(method, target)
    if (match.outcome !== 'matched')
      return send(outgoing, 404, { error_code: 404, message: 'HTTP 404 Not Found' })
    const { group = '', instance = '' } = match.params
    const key = instanceKey({ group, instance })
    // Not held: said before the body is read.
    if (match.route.affinity === 'instance' && !this.held.has(key)) return notHeld(outgoing, trusted)
    const body = await text(incoming)
    this.seen.push({ method, target, headers: incoming.headers, body, trusted })
    if (match.route.affinity === 'create') return this.#create(incoming, outgoing, group, body, trusted)
    if (match.route.id === 'consumers.delete') return this.#delete(outgoing, key)
    if (match.route.id === 'consumers.consume')
      outgoing.setHeader(internalHeaders.readId, `${this.id}-${++this.#reads}`)
    send(outgoing, 200, { node: this.id, target, body })
  }

  async #create(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    group: string,
    body: string,
    trusted: boolean,
  ): Promise<void> {
    const header = (name: string) => (trusted ? String(incoming.headers[name] ?? '') : '')
    const named = body === '' ? undefined : (JSON.parse(body) as { name?: string }).name
    const instance = named ?? (header(internalHeaders.drawnName) || `direct-${this.held.size}`)
    const key = instanceKey({ group, instance })
    const { id, table } = this.#options
    const found = await table.find(key)
    const proved = header(internalHeaders.provedDead).split(' ').map(decodeURIComponent)
    const replaces = found.placement
    const claim = await table.claim({
      key,
      node: id,
      incarnation: this.incarnation,
      expiresAt: 1e15,
      failover: 'recreate',
      spec: '{}',
      replaces,
      deathProved: proved[1] === replaces?.incarnation && replaces ? { markMs: 50_000 } : false,
    })
    if (claim.outcome !== 'claimed') return send(outgoing, 409, { error_code: 40902, message: claim.outcome })
    this.held.set(key, { node: id, incarnation: this.incarnation, token: claim.token })
    const path = `/consumers/${encodeURIComponent(group)}/instances/${encodeURIComponent(instance)}`
    send(outgoing, 200, { instance_id: instance, base_uri: header(internalHeaders.publicBase) + path })
  }

  async #delete(outgoing: ServerResponse, key: string): Promise<void> {
    const held = this.held.get(key)
    this.held.delete(key)
    if (held) await this.#options.table.release(key, held, 'deleted', 60_000)
    outgoing.writeHead(204).end()
  }

  async #answerQuestion(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    trusted: boolean,
  ): Promise<void> {
    const path = incoming.url ?? ''
    if (!trusted) return send(outgoing, 404, { error_code: 404, message: 'HTTP 404 Not Found' })
    this.questions.push(path)
    const body = await text(incoming)
    if (!this.answersQuestions) return
    if (path === internalRoutes.identity)
      return send(outgoing, 200, { id: this.id, incarnation: this.incarnation })
    if (path === internalRoutes.deathCheck) {
      const { internal_url } = JSON.parse(body) as { internal_url: string }
      return send(outgoing, 200, { dead: await refuses(internal_url) })
    }
    if (path === internalRoutes.readOutcomes) {
      this.outcomes.push(...(JSON.parse(body) as typeof this.outcomes))
      outgoing.writeHead(204).end()
      return
    }
    const key = path.slice(internalRoutes.instances.length + 1)
    return send(outgoing, this.held.has(key) ? 200 : 404, {})
  }
}

function notHeld(outgoing: ServerResponse, trusted: boolean): void {
  if (trusted) {
    send(outgoing, 421, { error_code: 421, message: 'not held' })
    return
  }
  outgoing.setHeader(consumerGoneHeader, 'unknown')
  send(outgoing, 404, { error_code: 40403, message: 'Consumer instance not found.' })
}

function send(outgoing: ServerResponse, status: number, body: unknown): void {
  outgoing.writeHead(status, { 'Content-Type': 'application/vnd.kafka.v2+json' })
  outgoing.end(JSON.stringify(body))
}

async function text(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function refuses(url: string): Promise<boolean> {
  try {
    await fetch(url)
    return false
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'
  }
}
