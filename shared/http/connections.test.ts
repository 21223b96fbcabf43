import { describe, expect, test } from 'vitest'
import {
  answersIn,
  echoLength,
  exchange,
  jsonResponse,
  openListener,
} from '../../test/support/http-listener.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { until } from '../../test/support/until.ts'
import { allowLongBody } from './body-admission.ts'
import type { ListenerTrouble } from './connections.ts'

const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
const timedOut = { error_code: 40810, message: 'The request was not sent in time.' }

/** An app that answers when it is told to, and tells how reading a body fared. */
function gatedApp() {
  const gate = Promise.withResolvers<void>()
  return {
    open: gate.resolve,
    app: async () => {
      await gate.promise
      return jsonResponse({ late: true })
    },
  }
}

describe('slow clients', () => {
  test('a head that takes too long is 408', async () => {
    const troubles: ListenerTrouble[] = []
    const listener = await openListener(echoLength, {
      headTimeoutMs: 100,
      onTrouble: trouble => troubles.push(trouble),
    })
    const connection = await RawConnection.open(listener.url)
    connection.send('GET / HTTP/1.1\r\nHost: a\r\nX-A: ')
    await connection.ended()
    const [answer, ...more] = answersIn(connection.received)
    expect(more).toEqual([])
    expect(answer?.status).toBe(408)
    expect(JSON.parse(answer?.body ?? '')).toEqual(timedOut)
    expect(troubles).toEqual(['head_timeout'])
  })

  test('also when answers have to be taken sooner than that', async () => {
    const listener = await openListener(echoLength, { headTimeoutMs: 400, writeTimeoutMs: 50 })
    const connection = await RawConnection.open(listener.url)
    connection.send('GET / HTTP/1.1\r\nHost: a\r\nX-A: ')
    await connection.ended()
    expect(answersIn(connection.received).map(({ status }) => status)).toEqual([408])
  })

  test('so is a second head on a connection that was used', async () => {
    const listener = await openListener(echoLength, { headTimeoutMs: 100 })
    const connection = await RawConnection.open(listener.url)
    connection.send(get('/'))
    await connection.receive(/"bytes":0/)
    connection.send('GET / HTT')
    await connection.ended()
    expect(answersIn(connection.received).map(({ status }) => status)).toEqual([200, 408])
  })

  test('a connection that never says anything is closed without a word', async () => {
    const listener = await openListener(echoLength, { headTimeoutMs: 100 })
    expect(await exchange(listener.url, '')).toBe('')
  })

  test('an idle connection is closed without a word', async () => {
    const listener = await openListener(echoLength, { keepAliveTimeoutMs: 50 })
    expect(answersIn(await exchange(listener.url, get('/')))).toHaveLength(1)
  })

  const begun = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab'
  const inChunks = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'
  test.each([
    ['takes too long', begun, { requestTimeoutMs: 100 }],
    ['takes too long in chunks', inChunks, { requestTimeoutMs: 100 }],
    ['stands still', begun, { writeTimeoutMs: 100, requestTimeoutMs: 0 }],
  ])('a body that %s is 408, and the app sees it end', async (_, bytes, limits) => {
    const failures: unknown[] = []
    const troubles: ListenerTrouble[] = []
    const listener = await openListener(
      (request, env) =>
        echoLength(request, env).catch(error => {
          failures.push(error)
          throw error
        }),
      { ...limits, onTrouble: trouble => troubles.push(trouble) },
    )
    const [answer, ...more] = answersIn(await exchange(listener.url, bytes))
    expect(more).toEqual([])
    expect(answer?.status).toBe(408)
    expect(JSON.parse(answer?.body ?? '')).toEqual(timedOut)
    await until('the app to see it', () => failures.length === 1)
    expect(troubles).toEqual(['body_timeout'])
    await until('the request to be over', () => listener.inFlight === 0)
  })

  test('a client that sends a byte now and then does not get around the limit', async () => {
    const listener = await openListener(echoLength, { requestTimeoutMs: 200, writeTimeoutMs: 100 })
    const connection = await RawConnection.open(listener.url)
    connection.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n')
    const dripping = setInterval(() => connection.send('x'), 10)
    await connection.receive(/HTTP\/1\.1 408 /).finally(() => clearInterval(dripping))
  })

  test('a body that may take any time does', async () => {
    const listener = await openListener(
      (request, env) => {
        allowLongBody(env.incoming)
        return echoLength(request, env)
      },
      { requestTimeoutMs: 50, writeTimeoutMs: 50 },
    )
    const connection = await RawConnection.open(listener.url)
    connection.send(begun)
    await new Promise(resolve => setTimeout(resolve, 300))
    connection.send('cde')
    await connection.receive(/"bytes":5/)
  })

  test('a client is not blamed for what it waits for: the app, or 100 Continue', async () => {
    const { app, open } = gatedApp()
    const listener = await openListener(app, { requestTimeoutMs: 50, writeTimeoutMs: 50 })
    const waiting = await RawConnection.open(listener.url)
    waiting.send(get('/'))
    const held = await RawConnection.open(listener.url)
    held.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
    await until('both to be under way', () => listener.inFlight === 2)
    await new Promise(resolve => setTimeout(resolve, 300))
    open()
    await waiting.receive(/"late":true/)
    await held.receive(/"late":true/)
  })

  test('a client that never reads its answer is cut, and the source of the answer ends', async () => {
    const troubles: ListenerTrouble[] = []
    const cancelled = Promise.withResolvers<void>()
    let written = 0
    const listener = await openListener(
      () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              written += 65_536
              controller.enqueue(new Uint8Array(65_536))
            },
            cancel: () => cancelled.resolve(),
          }),
        ),
      { writeTimeoutMs: 200, onTrouble: trouble => troubles.push(trouble) },
    )
    const connection = await RawConnection.open(listener.url)
    connection.socket.pause()
    connection.send(get('/'))
    await cancelled.promise
    await until('the connection to be gone', () => listener.connections === 0)
    expect(troubles).toEqual(['write_stalled'])
    // What the kernel's buffers take, not what the client asked for.
    expect(written).toBeLessThan(16 * 1024 * 1024)
    connection.reset()
  })

  test('a large answer that a client takes slowly but steadily is not cut', async () => {
    const text = 'x'.repeat(24 * 1024 * 1024)
    const listener = await openListener(() => new Response(text), { writeTimeoutMs: 1500 })
    const connection = await RawConnection.open(listener.url)
    const { socket } = connection
    connection.send(get('/', 'Connection: close\r\n'))
    // About 4 MB a second: the whole takes several times as long as the client may stand still.
    let taken = 0
    socket.on('data', (part: string) => {
      taken += part.length
      if (taken < 256 * 1024) return
      taken = 0
      socket.pause()
      setTimeout(() => socket.resume(), 60)
    })
    await connection.ended()
    expect(answersIn(connection.received)[0]?.body.length).toBe(text.length)
  })
})

describe('clients that leave', () => {
  test('a body that ends early is 400 to a client that still listens, and an error to the app', async () => {
    const failures: unknown[] = []
    const listener = await openListener((request, env) =>
      echoLength(request, env).catch(error => {
        failures.push(error)
        throw error
      }),
    )
    const connection = await RawConnection.open(listener.url)
    connection.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
    await until('the request to be seen', () => listener.inFlight === 1)
    connection.end()
    await connection.ended()
    const [answer] = answersIn(connection.received)
    expect(answer?.status).toBe(400)
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ error_code: 40014 })
    await until('the app to see it', () => failures.length === 1)
  })

  test('a malformed chunk is 400', async () => {
    const listener = await openListener(echoLength)
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
    for (const body of [
      'x\r\n',
      '-1\r\n',
      '3\r\nabcd\r\n',
      '3 \r\nabc\r\n',
      '3\nabc\r\n',
      'ffffffffffffffffff\r\n',
    ]) {
      const [answer, ...more] = answersIn(await exchange(listener.url, head + body))
      expect([body, answer?.status, more]).toEqual([body, 400, []])
      expect(JSON.parse(answer?.body ?? '')).toMatchObject({ error_code: 40013 })
    }
  })

  test('a reset in any state leaves nothing behind', async () => {
    const { app, open } = gatedApp()
    const listener = await openListener(app)
    const beginnings = [
      '',
      'GET',
      get('/'),
      get('/') + get('/'),
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na',
    ]
    for (const bytes of beginnings) {
      const connection = await RawConnection.open(listener.url)
      connection.send(bytes)
      await until('the connection to be seen', () => listener.connections === 1)
      connection.reset()
      await until('nothing to be left', () => listener.connections === 0 && listener.inFlight === 0)
    }
    open()
  })
})

describe('the limit of connections', () => {
  test('the first one over it is told so, more are closed; room is given back', async () => {
    const troubles: ListenerTrouble[] = []
    const listener = await openListener(echoLength, {
      connectionsMax: 3,
      onTrouble: trouble => troubles.push(trouble),
    })
    const idle = await Promise.all([1, 2, 3].map(() => RawConnection.open(listener.url)))
    await until('three to be open', () => listener.connections === 3)
    const [refused] = answersIn(await exchange(listener.url, get('/')))
    expect(refused?.status).toBe(503)
    expect(JSON.parse(refused?.body ?? '')).toMatchObject({ error_code: 50315 })
    expect(refused?.head).toMatch(/\r\nRetry-After: 1\r\n/i)
    expect(troubles).toEqual(['connection_refused'])
    const flood = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(listener.url)))
    await until('some to be closed at once', () => flood.filter(({ closed }) => closed).length >= 36)
    expect(listener.connections).toBeLessThanOrEqual(3 + 64)
    for (const connection of [...flood, ...idle.slice(1)]) connection.reset()
    await until('room to be there', () => listener.connections === 1)
    idle[0]?.send(get('/', 'Connection: close\r\n'))
    await idle[0]?.ended()
    expect(answersIn(idle[0]?.received ?? '')[0]?.status).toBe(200)
    expect(answersIn(await exchange(listener.url, get('/', 'Connection: close\r\n')))[0]?.status).toBe(200)
  })
})

describe('stop', () => {
  test('finishes answers in flight, closes idle connections at once, takes no new ones', async () => {
    const { app, open } = gatedApp()
    // It stands still: nothing here waits for a deadline.
    const clock = new ManualClock()
    const listener = await openListener(
      (request, env) => (env.incoming.url === '/' ? app() : echoLength(request, env)),
      { clock },
    )
    const idle = await RawConnection.open(listener.url)
    const used = await RawConnection.open(listener.url)
    used.send(get('/used'))
    await used.receive(/"bytes":0/)
    const busy = await RawConnection.open(listener.url)
    busy.send(get('/') + get('/pipelined'))
    await until('two requests to be in flight', () => listener.inFlight === 2)
    const stopping = listener.stop()
    await idle.ended()
    await used.ended()
    expect(busy.closed).toBe(false)
    await expect(RawConnection.open(listener.url)).rejects.toThrow()
    open()
    await busy.ended()
    const answers = answersIn(busy.received)
    expect(answers[0]).toMatchObject({ status: 200, body: '{"late":true}' })
    expect(answers[0]?.head).toMatch(/\r\nConnection: close\r\n/i)
    await stopping
    expect(listener.inFlight).toBe(0)
  })

  test('a half-received request is finished when it arrives soon', async () => {
    const listener = await openListener(echoLength)
    const connection = await RawConnection.open(listener.url)
    connection.send('GET / HTTP/1.1\r\nHos')
    const body = await RawConnection.open(listener.url)
    body.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
    await until('the bytes to be read', () => listener.inFlight === 1 && listener.connections === 2)
    await new Promise(resolve => setTimeout(resolve, 50))
    const stopping = listener.stop()
    connection.send('t: a\r\n\r\n')
    body.send('cde')
    await Promise.all([connection.ended(), body.ended(), stopping])
    expect(answersIn(connection.received)[0]?.status).toBe(200)
    expect(JSON.parse(answersIn(body.received)[0]?.body ?? '')).toMatchObject({ bytes: 5 })
  })

  test('never hangs: what is not done at the deadline is cut', async () => {
    const { app, open } = gatedApp()
    const listener = await openListener(app)
    const connections = await Promise.all([1, 2, 3].map(() => RawConnection.open(listener.url)))
    connections[0]?.send('GET / HTTP/1.1\r\nHos')
    connections[1]?.send(get('/'))
    connections[2]?.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
    await until('two to be under way', () => listener.inFlight === 2)
    await listener.stop(100)
    await until('the cut to be seen', () => listener.connections === 0 && listener.inFlight === 0)
    await Promise.all(connections.map(connection => connection.ended()))
    open()
  })

  test('closeConnections: answers that begin from then on close theirs, also for requests that began before', async () => {
    const { app, open } = gatedApp()
    const listener = await openListener(app)
    const before = await RawConnection.open(listener.url)
    before.send(get('/'))
    await until('it to be under way', () => listener.inFlight === 1)
    listener.closeConnections()
    const after = await RawConnection.open(listener.url)
    after.send(get('/'))
    open()
    for (const connection of [before, after]) {
      await connection.ended()
      expect(answersIn(connection.received)[0]?.head).toMatch(/\r\nConnection: close\r\n/i)
    }
  })

  test('a connection whose answer promised to keep it is closed after that answer', async () => {
    const gate = Promise.withResolvers<void>()
    const listener = await openListener(() => {
      async function* chunks() {
        yield new TextEncoder().encode('one')
        await gate.promise
        yield new TextEncoder().encode('two')
      }
      return new Response(ReadableStream.from(chunks()))
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(get('/'))
    await connection.receive(/one/)
    const stopping = listener.stop()
    gate.resolve()
    await connection.ended()
    expect(answersIn(connection.received)[0]?.body).toBe('onetwo')
    await stopping
  })
})
