import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FetchForwarder } from '../../gateway/upstream/fetch-forwarder.ts'
import {
  type ClientRequest,
  type Delivery,
  type Forwarder,
  UpstreamFailure,
} from '../../gateway/upstream/forwarder.ts'
import { NodeForwarder } from '../../gateway/upstream/node-forwarder.ts'
import { systemClock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import { type HttpEnv, type Listener, listen } from '../../shared/http/listen.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { http } from '../support/http-client.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { until } from '../support/until.ts'

const mebibyte = 1024 * 1024

/** Far more than the kernel buffers of the sockets on the way hold: 32 MiB each, where that is the limit. */
const held = 192 * mebibyte
const defaults = { responseTimeoutMs: 30_000, bodyBytesMax: 1024 * mebibyte }

const adapters: Record<'node' | 'fetch', (options?: Partial<typeof defaults>) => Forwarder> = {
  node: options =>
    new NodeForwarder({
      ...defaults,
      clock: systemClock,
      tls: {},
      connectTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      idleTimeoutMs: 5000,
      writeTimeoutMs: 10_000,
      onWriteStalled: () => {},
      // Longer than a busy machine may take to notice that an answer was written, and to act on it.
      lingerMs: 3000,
      ...options,
    }),
  fetch: options =>
    new FetchForwarder({
      ...defaults,
      clock: systemClock,
      fetch,
      peerAddress: (_, env) => (env as HttpEnv).incoming.socket.remoteAddress,
      ...options,
    }),
}

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => void

/** A node that behaves as one test wants. */
class OddNode {
  readonly #server: Server
  handler: Handler = (_, outgoing) => outgoing.end()
  requests = 0

  constructor() {
    this.#server = createServer((incoming, outgoing) => {
      this.requests++
      this.handler(incoming, outgoing)
    })
  }

  async start(): Promise<string> {
    return origin(await listening(this.#server))
  }

  closeIdleConnections(): void {
    this.#server.closeIdleConnections()
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections()
    return closed(this.#server)
  }
}

function listening<S extends Server | TcpServer>(server: S): Promise<S> {
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function closed(server: Server | TcpServer): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}

function origin(server: Server | TcpServer): string {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening')
  return `http://127.0.0.1:${address.port}`
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A port that refuses connections. */
async function refusingOrigin(): Promise<string> {
  const server = await listening(createTcpServer())
  const base = origin(server)
  await closed(server)
  return base
}

/** What a request did wrong, as the smallest gateway there can be answers it: 599 for a failed try. */
function failed(error: unknown): Response {
  if (error instanceof RestError) return Response.json(error.body(), { status: error.status })
  if (error instanceof UpstreamFailure)
    return Response.json({ stage: error.stage, reason: error.reason }, { status: 599 })
  return Response.json({ error: String(error) }, { status: 500 })
}

describe.each(['node', 'fetch'] as const)('the forwarder contract: %s', name => {
  let forwarder: Forwarder
  let gateway: Listener
  let node: OddNode
  let nodeOrigin: string
  let serve: (request: Request, env: HttpEnv) => Promise<Response>
  const deliveries: Delivery[] = []

  beforeAll(async () => {
    forwarder = adapters[name]()
    node = new OddNode()
    nodeOrigin = await node.start()
    gateway = await listen({
      url: 'http://127.0.0.1:0',
      fetch: (request, env) => serve(request, env).catch(failed),
      log: silentLogger,
      clock: systemClock,
      headBytesMax: 8192,
      connectionsMax: 100,
      keepAliveTimeoutMs: 75_000,
      headTimeoutMs: 10_000,
      requestTimeoutMs: 0,
    })
  })

  afterEach(() => {
    sendTo(nodeOrigin)
    deliveries.length = 0
  })

  afterAll(async () => {
    await forwarder.stop()
    await node.stop()
    await gateway.stop()
  })

  function sendTo(target: string, own: Record<string, string> = {}): void {
    serve = async (request, env) => {
      const answer = await forwarder.accept(request, env).send({ origin: target, headers: own })
      return answer.deliver({
        headers: { 'x-request-id': 'ours' },
        onDelivery: delivery => deliveries.push(delivery),
      })
    }
  }

  test('status, headers and body of an answer pass; those of one hop do not', async () => {
    sendTo(nodeOrigin)
    node.handler = (_, outgoing) => {
      outgoing.setHeader('Connection', 'x-hop')
      outgoing.setHeader('X-Hop', 'dropped')
      outgoing.setHeader('kafka-rest-read-id', 'for the gateway')
      outgoing.setHeader('Kafka-Rest-Consumer-Gone', 'expired')
      outgoing.setHeader('X-Request-Id', 'theirs')
      outgoing.writeHead(404, { 'Content-Type': 'application/vnd.kafka.v2+json' })
      outgoing.end('{"a":1}')
    }
    const answer = await http({ base: gateway.url, path: '/topics' })
    expect(answer.status).toBe(404)
    expect(answer.text).toBe('{"a":1}')
    expect(answer.headers).toMatchObject({
      'content-type': 'application/vnd.kafka.v2+json',
      'kafka-rest-consumer-gone': 'expired',
      'x-request-id': 'ours',
    })
    expect(answer.headers).not.toHaveProperty('x-hop')
    expect(answer.headers).not.toHaveProperty('kafka-rest-read-id')
  })

  test('the headers of a request pass, but for those of one hop and internal ones', async () => {
    sendTo(nodeOrigin, { 'kafka-rest-internal-token': 'ours' })
    let seen: IncomingMessage['headers'] = {}
    node.handler = (incoming, outgoing) => {
      seen = incoming.headers
      outgoing.end()
    }
    await http({
      base: gateway.url,
      path: '/topics/t',
      method: 'POST',
      body: '{}',
      headers: {
        Accept: 'application/json, text/*;q=0.5',
        'Content-Type': 'application/vnd.kafka.v2+json',
        Connection: 'X-Hop, content-length',
        'X-Hop': 'dropped',
        Upgrade: 'h2c',
        'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA',
        TE: 'trailers',
        'Kafka-Rest-Internal-Token': 'stolen',
        'kafka-rest-public-base': 'http://evil',
        'X-Kept': 'yes',
      },
    })
    expect(seen).toMatchObject({
      accept: 'application/json, text/*;q=0.5',
      'content-type': 'application/vnd.kafka.v2+json',
      // fetch sends a body that streams in chunks.
      ...(name === 'node' ? { 'content-length': '2' } : {}),
      'kafka-rest-internal-token': 'ours',
      'x-kept': 'yes',
    })
    for (const gone of ['x-hop', 'upgrade', 'http2-settings', 'te', 'kafka-rest-public-base'])
      expect(seen).not.toHaveProperty(gone)
  })

  test('a large body passes both ways byte for byte', async () => {
    sendTo(nodeOrigin)
    const sent = randomBytes(12 * mebibyte)
    node.handler = (incoming, outgoing) => void incoming.pipe(outgoing)
    const answer = await http({ base: gateway.url, path: '/echo', method: 'POST', body: sent })
    expect(createHash('sha256').update(answer.body).digest('hex')).toBe(
      createHash('sha256').update(sent).digest('hex'),
    )
  })

  test('a node that does not read holds the client back', async () => {
    sendTo(nodeOrigin)
    const reading = Promise.withResolvers<void>()
    node.handler = (incoming, outgoing) => {
      let received = 0
      incoming.on('error', () => {})
      void reading.promise.then(() => {
        incoming.on('data', (chunk: Buffer) => {
          received += chunk.length
        })
        incoming.once('end', () => outgoing.end(`received ${received}`))
      })
    }
    const connection = await RawConnection.open(gateway.url)
    const total = held
    connection.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${total}\r\n\r\n`)
    const chunk = Buffer.alloc(64 * 1024)
    let taken = 0
    const fill = () => {
      while (taken < total) {
        taken += chunk.length
        if (connection.socket.write(chunk)) continue
        connection.socket.once('drain', fill)
        return
      }
    }
    fill()
    await until('the client to be held back', () => isStable(() => taken))
    // What was taken waits in the buffers of the sockets on the way.
    expect(taken).toBeLessThan((total * 3) / 4)
    reading.resolve()
    await connection.receive(new RegExp(`received ${total}`), 50_000)
    connection.end()
  })

  test('a client that does not read holds the node back', async () => {
    sendTo(nodeOrigin)
    const chunk = Buffer.alloc(64 * 1024, 'x')
    let written = 0
    let blocked = false
    node.handler = (_, outgoing) => {
      const fill = () => {
        blocked = false
        while (written < held) {
          written += chunk.length
          if (outgoing.write(chunk)) continue
          blocked = true
          outgoing.once('drain', fill)
          return
        }
        outgoing.end()
      }
      fill()
    }
    const connection = await RawConnection.open(gateway.url)
    connection.socket.pause()
    connection.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await until('the node to be held back', () => blocked && isStable(() => written))
    expect(written).toBeLessThan((held * 3) / 4)
    connection.socket.resume()
    await connection.ended(50_000)
    expect(connection.received.length).toBeGreaterThan(held)
  })

  test('a refused connection is told as unsent', async () => {
    sendTo(await refusingOrigin())
    const answer = await http({ base: gateway.url, path: '/', method: 'POST', body: '{}' })
    expect(answer.json()).toEqual({ stage: 'unsent', reason: 'refused' })
  })

  test('a connection that is lost before the head of the answer is told as sent', async () => {
    sendTo(nodeOrigin)
    node.handler = incoming => void incoming.resume().once('end', () => incoming.socket.resetAndDestroy())
    const answer = await http({ base: gateway.url, path: '/', method: 'POST', body: '{}' })
    expect(answer.json()).toEqual({ stage: 'sent', reason: 'lost' })
  })

  test('a node that does not answer in time is told as slow', async () => {
    const hasty = adapters[name]({ responseTimeoutMs: 300 })
    serve = async (request, env) =>
      (await hasty.accept(request, env).send({ origin: nodeOrigin, headers: {} })).deliver({ headers: {} })
    node.handler = () => {}
    const answer = await http({ base: gateway.url, path: '/', method: 'POST', body: '{}' })
    expect(answer.json()).toEqual({ stage: 'sent', reason: 'slow' })
    await hasty.stop()
  })

  test.each([
    ['reset', (outgoing: ServerResponse) => outgoing.socket?.resetAndDestroy()],
    ['ended too early', (outgoing: ServerResponse) => outgoing.socket?.end()],
  ])('an answer that is %s in its body is cut short for the client too', async (_, cut) => {
    sendTo(nodeOrigin)
    let answering: ServerResponse | undefined
    node.handler = (_incoming, outgoing) => {
      answering = outgoing
      outgoing.write('[{"offset":1}')
    }
    const connection = await RawConnection.open(gateway.url)
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.receive(/offset/)
    if (answering) cut(answering)
    await connection.ended()
    expect(connection.received).not.toMatch(/\r\n0\r\n/)
    expect(deliveries).toEqual(['failed'])
  })

  test('an answer with a declared length that is cut short closes the connection', async () => {
    sendTo(nodeOrigin)
    node.handler = (_, outgoing) => {
      outgoing.writeHead(200, { 'Content-Length': 100 })
      outgoing.write('only this', () => outgoing.socket?.end())
    }
    await expect(http({ base: gateway.url, path: '/' })).rejects.toThrow()
  })

  test('an answer before the body was read reaches the client', async () => {
    sendTo(nodeOrigin)
    node.handler = (_, outgoing) => {
      outgoing.writeHead(413, { Connection: 'close' })
      outgoing.end('too large')
    }
    const connection = await RawConnection.open(gateway.url)
    connection.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    const [answer] = await connection.receive(/^HTTP\/1.1 413[\s\S]*too large/)
    expect(answer).toMatch(/connection: close/i)
    connection.end()
    await connection.ended()
  })

  test('a client that leaves before the answer takes its request to the node with it', async () => {
    sendTo(nodeOrigin)
    const aborted = Promise.withResolvers<void>()
    node.handler = (_, outgoing) => void outgoing.once('close', () => aborted.resolve())
    const connection = await RawConnection.open(gateway.url)
    const before = node.requests
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the node to have the request', () => node.requests > before)
    connection.reset()
    await aborted.promise
  })

  test('a client that leaves within the answer takes the rest with it', async () => {
    sendTo(nodeOrigin)
    const aborted = Promise.withResolvers<void>()
    node.handler = (_, outgoing) => {
      outgoing.once('close', () => aborted.resolve())
      outgoing.write('[')
    }
    const connection = await RawConnection.open(gateway.url)
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.receive(/\[/)
    connection.reset()
    await aborted.promise
    await until('the failure to be told', () => deliveries.includes('failed'))
  })

  test('a held body can be sent again; the first answer is thrown away', async () => {
    const bodies: string[] = []
    node.handler = (incoming, outgoing) =>
      void bodyOf(incoming).then(body => {
        bodies.push(body.toString())
        outgoing.statusCode = incoming.headers['x-try'] === '1' ? 421 : 200
        outgoing.end(`answer ${incoming.headers['x-try']}`)
      })
    serve = async (request, env) => {
      const client = forwarder.accept(request, env)
      expect(Buffer.from((await client.hold(1024)) ?? []).toString()).toBe('{"name":"n"}')
      const first = await client.send({ origin: nodeOrigin, headers: { 'x-try': '1' } })
      expect(first.status).toBe(421)
      first.discard()
      const second = await client.send({ origin: nodeOrigin, headers: { 'x-try': '2' } })
      return second.deliver({ headers: {} })
    }
    const answer = await http({ base: gateway.url, path: '/', method: 'POST', body: '{"name":"n"}' })
    expect(answer.text).toBe('answer 2')
    // fetch itself repeats a request that was answered 421, once: nothing was done for it, so that is harmless.
    expect(bodies.length).toBe(name === 'node' ? 2 : 3)
    expect(new Set(bodies)).toEqual(new Set(['{"name":"n"}']))
  })

  test.each([
    ['declared', ''],
    ['chunked', 'chunked'],
  ])('a body too large to be held streams whole (%s)', async (_, encoding) => {
    const sent = randomBytes(300 * 1024)
    node.handler = (incoming, outgoing) =>
      void bodyOf(incoming).then(body => outgoing.end(createHash('sha256').update(body).digest('hex')))
    serve = async (request, env) => {
      const client = forwarder.accept(request, env)
      expect(await client.hold(64 * 1024)).toBeUndefined()
      return (await client.send({ origin: nodeOrigin, headers: {} })).deliver({ headers: {} })
    }
    const connection = await RawConnection.open(gateway.url)
    const digest = createHash('sha256').update(sent).digest('hex')
    if (encoding === 'chunked') {
      connection.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
      for (let at = 0; at < sent.length; at += 50_000) {
        const part = sent.subarray(at, at + 50_000)
        connection.send(`${part.length.toString(16)}\r\n`)
        connection.send(part)
        connection.send('\r\n')
      }
      connection.send('0\r\n\r\n')
    } else {
      connection.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${sent.length}\r\n\r\n`)
      connection.send(sent)
    }
    await connection.receive(new RegExp(digest))
    connection.end()
  })

  test('a body over the limit is 413, declared or not', async () => {
    const small = adapters[name]({ bodyBytesMax: 1000 })
    node.handler = incoming => void incoming.resume()
    serve = async (request, env) =>
      (await small.accept(request, env).send({ origin: nodeOrigin, headers: {} })).deliver({ headers: {} })
    const declared = await http({ base: gateway.url, path: '/', method: 'POST', body: 'x'.repeat(1001) })
    expect(declared.json()).toEqual({ error_code: 413, message: 'HTTP 413 Payload Too Large' })
    const connection = await RawConnection.open(gateway.url)
    connection.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    connection.send(`3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`)
    await connection.receive(/^HTTP\/1.1 413/)
    connection.end()
    await small.stop()
  })

  test('HEAD has the head only; 204 has no body', async () => {
    sendTo(nodeOrigin)
    node.handler = (incoming, outgoing) => {
      if (incoming.method === 'HEAD') outgoing.writeHead(200, { 'Content-Length': 5 })
      else outgoing.writeHead(204)
      outgoing.end()
    }
    const head = await http({ base: gateway.url, path: '/', method: 'HEAD' })
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '5', ''])
    const none = await http({ base: gateway.url, path: '/', method: 'DELETE' })
    expect([none.status, none.text]).toEqual([204, ''])
  })

  test('the connection serves the next request after an answer without a body', async () => {
    sendTo(nodeOrigin)
    node.handler = (incoming, outgoing) =>
      void incoming.resume().once('end', () => {
        if (incoming.method === 'DELETE') outgoing.writeHead(204).end()
        else outgoing.end('second')
      })
    const connection = await RawConnection.open(gateway.url)
    connection.send('DELETE / HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.receive(/^HTTP\/1.1 204/)
    connection.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}')
    await connection.receive(/second/)
    connection.end()
  })

  test('a connection that the node closed while idle is not used again', async () => {
    sendTo(nodeOrigin)
    node.handler = (incoming, outgoing) => void incoming.resume().once('end', () => outgoing.end('ok'))
    for (let round = 0; round < 20; round++) {
      expect((await http({ base: gateway.url, path: '/', method: 'POST', body: '{}' })).text).toBe('ok')
      node.closeIdleConnections()
    }
  })

  test('a request that is withdrawn from a node ends there', async () => {
    const withdrawn = new AbortController()
    const aborted = Promise.withResolvers<void>()
    const ends: string[] = []
    node.handler = (_, outgoing) => {
      outgoing.once('close', () => aborted.resolve())
      withdrawn.abort()
    }
    serve = async (request, env) => {
      const { signal } = withdrawn
      const attempt = { origin: nodeOrigin, headers: {}, signal, onEnd: () => ends.push('end') }
      return (await forwarder.accept(request, env).send(attempt)).deliver({ headers: {} })
    }
    const answer = await http({ base: gateway.url, path: '/' })
    expect(answer.json()).toEqual({ stage: 'sent', reason: 'withdrawn' })
    await aborted.promise
    expect(ends).toEqual(['end'])
  })

  test('questions are answered, or fail in time', async () => {
    node.handler = (incoming, outgoing) =>
      void bodyOf(incoming).then(body => {
        if (incoming.url === '/silent') return
        outgoing.end(`${incoming.method} ${incoming.headers['x-token']} ${body}`)
      })
    const question = { headers: { 'x-token': 't' }, timeoutMs: 5000, newConnection: true }
    expect(
      await forwarder.ask({ ...question, origin: nodeOrigin, method: 'POST', path: '/q', body: '[1]' }),
    ).toEqual({ status: 200, body: 'POST t [1]' })
    const hasty = { ...question, timeoutMs: 500 }
    const silent = { ...hasty, origin: nodeOrigin, method: 'GET', path: '/silent' } as const
    await expect(forwarder.ask(silent)).rejects.toMatchObject({ stage: 'sent', reason: 'slow' })
    const refused = { ...question, origin: await refusingOrigin(), method: 'GET', path: '/' } as const
    await expect(forwarder.ask(refused)).rejects.toMatchObject({ stage: 'unsent', reason: 'refused' })
  })
})

describe('the node forwarder, where fetch has its limits', () => {
  let forwarder: Forwarder
  let gateway: Listener
  let node: OddNode
  let nodeOrigin: string
  let serve: (client: ClientRequest) => Promise<Response>
  /** By request target: a connection of an earlier test may still have something to tell. */
  const told: { target: string; delivery: Delivery }[] = []
  const deliveriesOf = (target: string) =>
    told.filter(entry => entry.target === target).map(({ delivery }) => delivery)

  const once = async (client: ClientRequest) => {
    const answer = await client.send({ origin: nodeOrigin, headers: {} })
    const onDelivery = (delivery: Delivery) => void told.push({ target: client.target, delivery })
    return answer.deliver({ headers: {}, onDelivery })
  }

  beforeEach(() => {
    serve = once
  })

  beforeAll(async () => {
    forwarder = adapters.node()
    node = new OddNode()
    nodeOrigin = await node.start()
    gateway = await listen({
      url: 'http://127.0.0.1:0',
      fetch: (request, env) => serve(forwarder.accept(request, env)),
      log: silentLogger,
      clock: systemClock,
      headBytesMax: 8192,
      connectionsMax: 100,
      keepAliveTimeoutMs: 75_000,
      headTimeoutMs: 10_000,
      requestTimeoutMs: 0,
    })
  })

  afterAll(async () => {
    await forwarder.stop()
    await node.stop()
    await gateway.stop()
  })

  test.each([
    ['with a length', 'Content-Length: 17\r\n\r\n{"partitions":[]}'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n11\r\n{"partitions":[]}\r\n0\r\n\r\n'],
  ])('a GET keeps its body %s', async (_, rest) => {
    node.handler = (incoming, outgoing) => void bodyOf(incoming).then(body => outgoing.end(`got ${body}`))
    const connection = await RawConnection.open(gateway.url)
    connection.send(`GET /consumers/g/instances/i/offsets HTTP/1.1\r\nHost: x\r\n${rest}`)
    await connection.receive(/got \{"partitions":\[\]\}/)
    // The connection is good for another request.
    connection.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await connection.ended()
    expect(connection.received.match(/got /g)).toHaveLength(2)
  })

  test('a failed dial leaves the body untouched for the next node', async () => {
    const sent = randomBytes(200 * 1024)
    const refusing = await refusingOrigin()
    node.handler = (incoming, outgoing) =>
      void bodyOf(incoming).then(body => outgoing.end(String(body.equals(sent))))
    serve = async client => {
      await expect(client.send({ origin: refusing, headers: {} })).rejects.toMatchObject({ stage: 'unsent' })
      return (await client.send({ origin: nodeOrigin, headers: {} })).deliver({ headers: {} })
    }
    const answer = await http({ base: gateway.url, path: '/', method: 'POST', body: sent })
    expect(answer.text).toBe('true')
  })

  test('the request target is passed on as it came', async () => {
    let seen: string | undefined
    node.handler = (incoming, outgoing) => {
      seen = incoming.url
      outgoing.end()
    }
    for (const path of [
      '/consumers/g/instances/%2e%2e/records?timeout=%201',
      '/a/../b//c?',
      '/t/%2F%00;x=[]',
    ])
      expect([(await http({ base: gateway.url, path })).status, seen]).toEqual([200, path])
  })

  test('the head of an answer does not wait for its body', async () => {
    const more = Promise.withResolvers<void>()
    node.handler = (_, outgoing) => {
      outgoing.writeHead(200, { 'X-First': 'yes' })
      outgoing.flushHeaders()
      void more.promise.then(() => outgoing.end('later'))
    }
    const connection = await RawConnection.open(gateway.url)
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await connection.receive(/x-first: yes/i)
    more.resolve()
    await connection.receive(/later/)
    connection.end()
  })

  test('an encoded body is passed on as it is, with its header', async () => {
    const packed = gzipSync('hello')
    node.handler = (_, outgoing) => void outgoing.writeHead(200, { 'Content-Encoding': 'gzip' }).end(packed)
    const answer = await http({ base: gateway.url, path: '/', headers: { 'Accept-Encoding': 'gzip' } })
    expect(answer.headers['content-encoding']).toBe('gzip')
    expect(answer.body.equals(packed)).toBe(true)
  })

  test('trailers end at the gateway', async () => {
    node.handler = (_, outgoing) => {
      outgoing.writeHead(200, { Trailer: 'X-Sum' })
      outgoing.write('body')
      outgoing.addTrailers({ 'X-Sum': '1' })
      outgoing.end()
    }
    const connection = await RawConnection.open(gateway.url)
    connection.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await connection.ended()
    expect(connection.received).toMatch(/body/)
    expect(connection.received).not.toMatch(/x-sum|trailer:/i)
  })

  test('Expect: 100-continue is answered here and not passed on', async () => {
    let seen: IncomingMessage['headers'] = {}
    node.handler = (incoming, outgoing) =>
      void bodyOf(incoming).then(body => {
        seen = incoming.headers
        outgoing.end(`got ${body}`)
      })
    const connection = await RawConnection.open(gateway.url)
    connection.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
    await connection.receive(/^HTTP\/1.1 100 Continue/)
    connection.send('{}')
    await connection.receive(/got \{\}/)
    expect(seen).not.toHaveProperty('expect')
    connection.end()
  })

  test('a written answer is received when the connection goes on, or ends in order', async () => {
    node.handler = (_, outgoing) => void outgoing.end('[]')
    const connection = await RawConnection.open(gateway.url)
    connection.send('GET /first HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the first answer to be written', () => deliveriesOf('/first').length > 0)
    await connection.receive(/\[\]/)
    expect(deliveriesOf('/first')).toEqual(['ended'])
    connection.send('GET /second HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the second answer to be written', () => deliveriesOf('/second').length > 0)
    expect(deliveriesOf('/first')).toEqual(['ended', 'received'])
    connection.end()
    await until('the end to be seen', () => deliveriesOf('/second').length > 1)
    expect(deliveriesOf('/second')).toEqual(['ended', 'received'])
  })

  test.each([
    ['reads it and ends', 'received', (connection: RawConnection) => connection.socket.resume()],
    ['resets', 'failed', (connection: RawConnection) => connection.reset()],
    ['does neither', 'failed', () => {}],
  ])('the last answer of a connection whose client %s is %s', async (how, expected, act) => {
    node.handler = (_, outgoing) => void outgoing.end('[]')
    const target = `/last-${how.length}`
    const connection = await RawConnection.open(gateway.url)
    connection.socket.pause()
    connection.send(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    await until('the answer to be written', () => deliveriesOf(target).length > 0)
    expect(deliveriesOf(target)).toEqual(['ended'])
    act(connection)
    await until('its fate to be known', () => deliveriesOf(target).length > 1)
    expect(deliveriesOf(target)).toEqual(['ended', expected])
    connection.reset()
  })

  test('a written answer is lost when the connection is reset after it', async () => {
    node.handler = (_, outgoing) => void outgoing.end('[]')
    const connection = await RawConnection.open(gateway.url)
    connection.socket.pause()
    connection.send('GET /lost HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the answer to be written', () => deliveriesOf('/lost').length > 0)
    connection.reset()
    await until('the reset to be seen', () => deliveriesOf('/lost').length > 1)
    expect(deliveriesOf('/lost')).toEqual(['ended', 'failed'])
  })
})

/** Whether a value that a test watches has stopped changing for a while. */
async function isStable(read: () => number): Promise<boolean> {
  const before = read()
  await systemClock.sleep(250)
  return before > 0 && read() === before
}
