import { describe, expect, test } from 'vitest'
import {
  answerEarly,
  answersIn,
  echoLength,
  exchange,
  jsonResponse,
  openListener,
} from '../../test/support/http-listener.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { until } from '../../test/support/until.ts'
import { admitBody } from './body-admission.ts'

const close = 'Connection: close\r\n'
const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
const post = (target: string, body: string, more = '') =>
  `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`

describe('answers', () => {
  test('a short body goes with its length, a streamed one in chunks as they come', async () => {
    const parts = Promise.withResolvers<void>()
    const listener = await openListener((_, { incoming }) => {
      if (incoming.url === '/short') return jsonResponse({ a: 1 })
      async function* chunks() {
        yield new TextEncoder().encode('one,')
        await parts.promise
        yield new TextEncoder().encode('two')
      }
      return new Response(ReadableStream.from(chunks()), { headers: { 'X-A': 'b' } })
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(get('/short'))
    await connection.receive(/\{"a":1\}$/)
    expect(answersIn(connection.received)[0]?.head).toMatch(/\r\nContent-Length: 7\r\n/i)
    connection.send(get('/long', close))
    await connection.receive(/one,\r\n$/)
    parts.resolve()
    await connection.ended()
    const [, answer] = answersIn(connection.received)
    expect(answer).toMatchObject({ status: 200, body: 'one,two' })
    expect(answer?.head).toMatch(/\r\nx-a: b\r\n/i)
  })

  test('an answer without a body, and one on the raw pair, with headers of both', async () => {
    const { RESPONSE_ALREADY_SENT } = await import('@hono/node-server/utils/response')
    const listener = await openListener((_, { incoming, outgoing }) => {
      outgoing.setHeader('X-Request-Id', '7')
      if (incoming.url === '/none') return new Response(null, { status: 204 })
      outgoing.writeHead(406)
      outgoing.end('{}')
      return RESPONSE_ALREADY_SENT
    })
    const answers = answersIn(await exchange(listener.url, get('/none') + get('/raw', close)))
    expect(answers).toMatchObject([
      { status: 204, body: '' },
      { status: 406, body: '{}' },
    ])
    for (const { head } of answers) expect(head).toMatch(/\r\nx-request-id: 7\r\n/i)
    expect(answers[1]?.head).not.toMatch(/content-type/i)
  })

  test('HEAD has the head of the answer, with the length of its body; a streamed body is given up', async () => {
    let cancelled = false
    const listener = await openListener((_, { incoming }) => {
      if (incoming.url === '/short') return jsonResponse({ a: 1 })
      const endless = new ReadableStream({
        pull: async controller => {
          controller.enqueue(new Uint8Array(1000))
          await new Promise(resolve => setImmediate(resolve))
        },
        cancel: () => {
          cancelled = true
        },
      })
      return new Response(endless)
    })
    const head = (target: string, more = '') => get(target, more).replace('GET', 'HEAD')
    const received = await exchange(listener.url, head('/short') + head('/endless', close))
    const answers = answersIn(received, () => true)
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(answers[0]?.head).toMatch(/\r\nContent-Length: 7\r\n/i)
    await until('the body to be given up', () => cancelled)
  })

  test('what the app throws is one 500 in the contract’s shape, and the connection ends', async () => {
    const listener = await openListener((_, { incoming }) => {
      if (incoming.url === '/sync') throw new Error('secret')
      if (incoming.url === '/async') return Promise.reject(new Error('secret'))
      if (incoming.url === '/header') return new Response('', { headers: { 'X-A': '\x01secret' } })
      const failing = new ReadableStream({
        start(controller) {
          controller.error(new Error('secret'))
        },
      })
      return new Response(failing, { headers: { 'Content-Type': 'text/plain' } })
    })
    for (const target of ['/sync', '/async', '/header', '/body']) {
      const [answer, ...more] = answersIn(await exchange(listener.url, get(target)))
      expect(more).toEqual([])
      expect(answer?.status).toBe(500)
      expect(JSON.parse(answer?.body ?? '')).toEqual({ error_code: 500, message: 'Internal Server Error' })
      expect(answer?.head).toMatch(/\r\nContent-Type: application\/json\r\n/i)
      expect(answer?.head).not.toContain('secret')
    }
  })

  test('a body that fails in the middle is cut without its last chunk', async () => {
    const listener = await openListener(async (_, { incoming, outgoing }) => {
      if (incoming.url === '/raw') {
        await new Promise(resolve => outgoing.write('one', resolve))
        throw new Error('secret')
      }
      async function* chunks() {
        yield new TextEncoder().encode('one')
        await new Promise(resolve => setTimeout(resolve, 20))
        throw new Error('secret')
      }
      return new Response(ReadableStream.from(chunks()))
    })
    for (const target of ['/stream', '/raw']) {
      const received = await exchange(listener.url, get(target))
      expect(received).not.toContain('secret')
      expect(received).toContain('one')
      expect(() => answersIn(received)).toThrow()
    }
  })

  test('a client that leaves ends the source of its answer', async () => {
    const cancelled = Promise.withResolvers<void>()
    const listener = await openListener(() => {
      const endless = new ReadableStream({
        pull: controller => controller.enqueue(new Uint8Array(65_536)),
        cancel: () => cancelled.resolve(),
      })
      return new Response(endless)
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(get('/'))
    await connection.receive(/200 OK/)
    connection.reset()
    await cancelled.promise
    await until('the request to be over', () => listener.inFlight === 0)
  })
})

describe('Expect: 100-continue', () => {
  const expectation = 'Expect: 100-continue\r\n'
  const head = (target: string) =>
    `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n${expectation}\r\n`

  test('100 goes out when the body is read, not before', async () => {
    const reading = Promise.withResolvers<void>()
    const listener = await openListener(async (request, env) => {
      await reading.promise
      return echoLength(request, env)
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(head('/'))
    await until('the request to be seen', () => listener.inFlight === 1)
    expect(connection.received).toBe('')
    reading.resolve()
    await connection.receive(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    connection.send('abcde')
    await connection.receive(/"bytes":5/)
    // The connection goes on.
    connection.send(get('/next', close))
    await connection.ended()
    expect(answersIn(connection.received).map(({ status }) => status)).toEqual([100, 200, 200])
  })

  test('a refused request gets its answer without 100, and need not send its body', async () => {
    const listener = await openListener(answerEarly)
    const connection = await RawConnection.open(listener.url)
    connection.send(head('/'))
    await connection.ended()
    const answers = answersIn(connection.received)
    expect(answers.map(({ status }) => status)).toEqual([413])
    expect(answers[0]?.head).toMatch(/\r\nConnection: close\r\n/i)
  })

  test('a body that is sent without waiting is taken', async () => {
    const listener = await openListener(echoLength)
    const received = await exchange(listener.url, post('/', 'abc', expectation + close))
    const answers = answersIn(received)
    expect(answers.at(-1)).toMatchObject({ status: 200 })
    expect(JSON.parse(answers.at(-1)?.body ?? '')).toMatchObject({ bytes: 3 })
  })
})

describe('answers before the body was read', () => {
  test('a small rest is read, and the connection goes on', async () => {
    const listener = await openListener(answerEarly)
    const connection = await RawConnection.open(listener.url)
    const body = 'x'.repeat(60_000)
    connection.send(post('/', body).slice(0, 500))
    await connection.receive(/\{"early":true\}$/)
    connection.send(post('/', body).slice(500))
    connection.send(get('/next', close))
    await connection.ended()
    const answers = answersIn(connection.received)
    expect(answers.map(({ status }) => status)).toEqual([413, 413])
    expect(answers[0]?.head).not.toMatch(/connection: close/i)
  })

  test('a body that was begun and given up by the app is read to its end, too', async () => {
    const listener = await openListener(async (_, { incoming, outgoing }) => {
      admitBody(incoming, outgoing)
      for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
        if (chunk.length > 0) break
      }
      return answerEarly()
    })
    const connection = await RawConnection.open(listener.url)
    const body = 'x'.repeat(60_000)
    connection.send(post('/', body).slice(0, 500))
    await connection.receive(/\{"early":true\}$/)
    connection.send(post('/', body).slice(500))
    connection.send(post('/next', 'abc', close))
    await connection.ended()
    expect(answersIn(connection.received)).toHaveLength(2)
  })

  const large = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n'
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7a1200\r\n'
  test.each([large, chunked])('a large rest ends the connection, but the answer arrives: %s', async head => {
    const listener = await openListener(answerEarly)
    const connection = await RawConnection.open(listener.url)
    // A client that sends everything before it reads: without care, its own bytes would reset the answer
    // away.
    connection.socket.pause()
    connection.send(head)
    const body = Buffer.alloc(8_000_000, 'x')
    await new Promise<void>(resolve => {
      connection.socket.write(body, () => resolve())
    })
    connection.socket.resume()
    await connection.ended()
    const [answer, ...more] = answersIn(connection.received)
    expect(more).toEqual([])
    expect(answer).toMatchObject({ status: 413, body: '{"early":true}' })
    expect(answer?.head).toMatch(/\r\nConnection: close\r\n/i)
  })
})

describe('pipelined requests', () => {
  test('are served one after the other, and answered in their order', async () => {
    const events: string[] = []
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const listener = await openListener(async (request, env) => {
      events.push(`begin ${env.incoming.url}`)
      await gates[Number(env.incoming.url?.slice(1))]?.promise
      events.push(`end ${env.incoming.url}`)
      return echoLength(request, env)
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(post('/0', 'abc') + post('/1', 'de') + get('/2', close))
    await until('three requests to be received', () => listener.inFlight === 3)
    expect(events).toEqual(['begin /0'])
    gates[1]?.resolve()
    gates[0]?.resolve()
    await connection.ended()
    expect(events).toEqual(['begin /0', 'end /0', 'begin /1', 'end /1', 'begin /2', 'end /2'])
    const bodies = answersIn(connection.received).map(({ body }) => JSON.parse(body))
    expect(bodies).toMatchObject([
      { target: '/0', bytes: 3 },
      { target: '/1', bytes: 2 },
      { target: '/2', bytes: 0 },
    ])
  })

  test('a malformed one is refused after the answers before it', async () => {
    const listener = await openListener(echoLength)
    const received = await exchange(listener.url, get('/0') + get('/1') + 'nonsense\r\n\r\n')
    const answers = answersIn(received)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400])
    expect(JSON.parse(answers[2]?.body ?? '')).toMatchObject({ error_code: 40013 })
  })

  test('more of them than are kept end the connection: what is not answered was not served', async () => {
    const seen: unknown[] = []
    const gate = Promise.withResolvers<void>()
    const listener = await openListener(async (request, env) => {
      seen.push(env.incoming.url)
      await gate.promise
      return echoLength(request, env)
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(Array.from({ length: 200 }, (_, index) => get(`/${index}`)).join(''))
    await until('some to be received', () => listener.inFlight > 10)
    gate.resolve()
    await connection.ended()
    const answers = answersIn(connection.received)
    expect(answers.map(({ body }) => JSON.parse(body).target)).toEqual(seen)
    expect(answers.length).toBeGreaterThan(10)
    expect(answers.length).toBeLessThan(50)
    expect(answers.at(-1)?.head).toMatch(/\r\nConnection: close\r\n/i)
  })
})
