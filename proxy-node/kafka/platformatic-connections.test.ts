import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type Connection, metadataV12 } from '@platformatic/kafka'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { until } from '../../test/support/until.ts'
import type { BrokerAddress, ConnectionSettings } from './broker-connections.ts'
import { type CallOptions, PlatformaticConnections } from './platformatic-connections.ts'

/** A broker that takes connections and requests, and answers nothing. */
let server: Server
let address: BrokerAddress
let sockets: Socket[]
let received: number
let connections: PlatformaticConnections

const settings: ConnectionSettings = {
  clientId: 'test',
  connectTimeoutMs: 5000,
  idleTimeoutMs: 60_000,
  readsPerBrokerMax: 2,
  reconnectBackoffMs: 60_000,
  reconnectBackoffMaxMs: 60_000,
  security: {},
}

beforeEach(async () => {
  sockets = []
  received = 0
  server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', data => {
      received += data.length
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  address = { id: 1, host: '127.0.0.1', port: typeof bound === 'object' && bound ? bound.port : 0 }
  connections = new PlatformaticConnections({ settings, clock: systemClock })
})

afterEach(async () => {
  await connections.stop()
  for (const socket of sockets) socket.destroy()
  server.close()
})

const send = (connection: Connection) => metadataV12.api.async(connection, [], false)
const call = (options: Partial<CallOptions> = {}) =>
  connections.call(address, { lane: 'read', what: 'A test', timeoutMs: 60_000, ...options }, send)

test('a call that is not answered in time ends, and its connection with it', async () => {
  for (const lane of ['control', 'read', 'group'] as const) {
    await expect(call({ lane, timeoutMs: 50 })).rejects.toMatchObject({ kind: 'TIMED_OUT', retriable: true })
    await until('it is closed', () => connections.counts().open === 0)
  }
  expect(connections.counts()).toEqual({ open: 0, leased: 0, waiting: 0 })
  expect(sockets).toHaveLength(3)
})

test.each(['read', 'group'] as const)(
  'a %s call that is aborted while it dials sends nothing',
  async lane => {
    const gone = new AbortController()
    const calling = call({ lane, signal: gone.signal })
    gone.abort(new Error('gone'))
    await expect(calling).rejects.toThrow('gone')
    await until('the connection is there for the next call', () => sockets.length === 1)
    expect(connections.counts().leased).toBe(0)
    // The next call takes it: what the broker has got is one request.
    const next = call({ lane, timeoutMs: 50 }).catch(error => error)
    await next
    expect(sockets).toHaveLength(1)
  },
)

test('a call that is aborted before it begins does nothing', async () => {
  await expect(call({ signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
  expect(connections.counts().open).toBe(0)
})

test('an aborted join closes its connection: its answer may be minutes away', async () => {
  const gone = new AbortController()
  const calling = call({ lane: 'group', signal: gone.signal })
  await until('it is sent', () => received > 0)
  gone.abort(new Error('gone'))
  await expect(calling).rejects.toThrow('gone')
  await until('it is closed', () => connections.counts().open === 0)
})

test('an aborted read keeps its place until the answer is in', async () => {
  const gone = new AbortController()
  const calling = call({ signal: gone.signal })
  await until('it is sent', () => received > 0)
  gone.abort(new Error('gone'))
  await expect(calling).rejects.toThrow('gone')
  expect(connections.counts()).toMatchObject({ open: 1, leased: 1 })
})

test('a call whose order matters is not given up once it is sent, and is before', async () => {
  const gone = new AbortController()
  const options = { signal: gone.signal, finalOnceSent: true, timeoutMs: 200 }
  const calling = call(options).catch(error => error)
  await until('it is sent', () => received > 0)
  gone.abort(new Error('gone'))
  expect(await calling).toMatchObject({ kind: 'TIMED_OUT' })
  await expect(call(options)).rejects.toThrow('gone')
})

test('a connection that the broker ends fails its calls and is forgotten', async () => {
  const calling = call({ lane: 'control' })
  await until('it is sent', () => received > 0)
  sockets[0]?.destroy()
  await expect(calling).rejects.toMatchObject({ kind: 'CONNECTION_LOST', retriable: true })
  const again = call({ lane: 'control', timeoutMs: 50 })
  await expect(again).rejects.toMatchObject({ kind: 'TIMED_OUT' })
  expect(sockets).toHaveLength(2)
})

test('joins are not bounded as reads are', async () => {
  const calls = Array.from({ length: 5 }, () =>
    call({ lane: 'group', timeoutMs: 300 }).catch(error => error.kind),
  )
  await until('all have a connection', () => connections.counts().leased === 5)
  const reads = Array.from({ length: 5 }, () => call({ timeoutMs: 300 }).catch(error => error.kind))
  await until('two reads more have one', () => connections.counts().leased === 7)
  expect(connections.counts().waiting).toBe(3)
  expect(connections.readsSaturated(address)).toBe(true)
  expect(new Set(await Promise.all([...calls, ...reads]))).toEqual(new Set(['TIMED_OUT']))
})

test('a broker that refused is left alone for a while', async () => {
  server.close()
  await expect(call()).rejects.toMatchObject({ kind: 'CONNECTION_LOST' })
  expect(connections.resting(address)).toBe(true)
  server = createServer(socket => sockets.push(socket)).listen(address.port, '127.0.0.1')
  await once(server, 'listening')
  await expect(call()).rejects.toMatchObject({ kind: 'CONNECTION_LOST' })
  expect(sockets).toHaveLength(0)
})

test('a stop ends what dials, what waits and what is in flight', async () => {
  const calls = [
    call({ lane: 'control' }),
    call({ lane: 'group' }),
    ...Array.from({ length: 4 }, () => call()),
  ].map(calling => calling.catch(error => error.kind))
  await until('reads wait', () => connections.counts().waiting === 2)
  await connections.stop()
  expect(await Promise.all(calls)).toEqual(Array(6).fill('CONNECTION_LOST'))
  expect(connections.counts()).toEqual({ open: 0, leased: 0, waiting: 0 })
  await expect(call()).rejects.toMatchObject({ kind: 'CONNECTION_LOST' })
})
