import { describe, expect, test } from 'vitest'
import { answersIn, echoLength, exchange, openListener } from '../../test/support/http-listener.ts'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { canonicalHost } from './head-rules.ts'

describe('heads that never reach the app', () => {
  const framing = { status: 400, code: 40013, message: 'The HTTP request is malformed.' }
  const host = { status: 400, code: 40010, message: 'The Host header must be host or host:port.' }
  const target = { status: 400, code: 40012, message: 'The request target must be a path.' }
  const expectation = { status: 417, code: 41701, message: 'The Expect header may only be 100-continue.' }

  const refused: [string, string, { status: number; code: number; message: string }][] = [
    ['line folding', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n', framing],
    ['line folding by a tab', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\tc\r\n\r\n', framing],
    ['a bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', framing],
    ['a bare LF after a header', 'GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n', framing],
    ['a bare LF at the end', 'GET / HTTP/1.1\r\nHost: a\r\n\n', framing],
    ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n', framing],
    ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n', framing],
    ['NUL in the target', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', framing],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', framing],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n', framing],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n', framing],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', framing],
    ['a method that is no token', 'G@T / HTTP/1.1\r\nHost: a\r\n\r\n', framing],
    ['a method in small letters', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', framing],
    ['HTTP/0.9', 'GET /\r\n\r\n', framing],
    ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', framing],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', framing],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', framing],
    ['something else altogether', '\x16\x03\x01\x02\x00\x01\x00', framing],
    ['length and coding', post('Content-Length: 3', 'Transfer-Encoding: chunked', '', '0', '', ''), framing],
    ['coding and length', post('Transfer-Encoding: chunked', 'Content-Length: 3', '', '0', '', ''), framing],
    ['two lengths', post('Content-Length: 3', 'Content-Length: 4', '', 'abcd'), framing],
    ['two equal lengths', post('Content-Length: 3', 'Content-Length: 3', '', 'abc'), framing],
    ['a list of lengths', post('Content-Length: 3, 3', '', 'abc'), framing],
    ['a signed length', post('Content-Length: +3', '', 'abc'), framing],
    ['a negative length', post('Content-Length: -3', '', 'abc'), framing],
    ['a hexadecimal length', post('Content-Length: 0x3', '', 'abc'), framing],
    ['an empty length', post('Content-Length: ', '', 'abc'), framing],
    ['a length beyond 64 bits', post('Content-Length: 99999999999999999999', '', 'abc'), framing],
    ['a coding nobody undoes', post('Transfer-Encoding: gzip, chunked', '', '0', '', ''), framing],
    ['chunked twice', post('Transfer-Encoding: chunked, chunked', '', '0', '', ''), framing],
    ['chunked not last', post('Transfer-Encoding: chunked, gzip', '', '0', '', ''), framing],
    ['identity', post('Transfer-Encoding: identity', '', 'abc'), framing],
    [
      'two codings',
      post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', '', '0', '', ''),
      framing,
    ],
    ['a disguised coding', post('Transfer-Encoding: xchunked', '', '0', '', ''), framing],
    ['a hidden coding', post('Transfer-Encoding:\x0bchunked', '', '0', '', ''), framing],
    ['a coding on HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', framing],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', host],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', host],
    ['two equal Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', host],
    ['a Host behind 2,010 headers', many(2010, 'Host: b'), host],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', host],
    ['a Host with user info', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', host],
    ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', host],
    ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', host],
    ['a Host with a bad port', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', host],
    ['a Host with a port too large', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', host],
    ['a Host of bytes beyond ASCII', 'GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n', host],
    ['a Host that is half an address', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', host],
    ['two Hosts on HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', host],
    ['an absolute target', 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n', target],
    ['an absolute https target', 'GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n', target],
    ['an authority', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', target],
    ['* without OPTIONS', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', target],
    ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', target],
    ['a backslash', 'GET /\\evil HTTP/1.1\r\nHost: a\r\n\r\n', target],
    ['another expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n', expectation],
    ['more than 100-continue', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, b\r\n\r\n', expectation],
    ['an empty expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n', expectation],
  ]

  test.each(refused)('%s', async (_, bytes, { status, code, message }) => {
    const seen: string[] = []
    const listener = await openListener(
      (request, env) => {
        seen.push(`${env.incoming.method} ${env.incoming.url}`)
        return echoLength(request, env)
      },
      { headBytesMax: 65_536 },
    )
    const [answer, ...more] = answersIn(await exchange(listener.url, bytes))
    expect(more).toEqual([])
    expect(answer?.status).toBe(status)
    expect(JSON.parse(answer?.body ?? '')).toEqual({ error_code: code, message })
    expect(answer?.head).toMatch(/\r\nContent-Type: application\/json\r\n/i)
    expect(answer?.head).toMatch(/\r\nContent-Length: \d+\r\n/i)
    expect(answer?.head).toMatch(/\r\nConnection: close\r\n/i)
    expect(seen).toEqual([])
  })

  test('what follows a refused head on its connection is never served', async () => {
    const seen: unknown[] = []
    const listener = await openListener((request, env) => {
      seen.push(env.incoming.url)
      return echoLength(request, env)
    })
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const first = `POST /1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n`
    const answers = answersIn(await exchange(listener.url, first + smuggled))
    expect(answers.map(({ status }) => status)).toEqual([400])
    expect(seen).toEqual([])
  })

  test('a head over the limit is 431, whether it is long in its target or in its headers', async () => {
    const listener = await openListener(echoLength, { headBytesMax: 4096 })
    const heads = [
      `GET /${'a'.repeat(5000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(5000)}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\n${'X-A: a\r\n'.repeat(700)}\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\n${'a'.repeat(100_000)}`,
    ]
    for (const head of heads) {
      const [answer] = answersIn(await exchange(listener.url, head))
      expect(answer?.status).toBe(431)
      expect(JSON.parse(answer?.body ?? '')).toMatchObject({ error_code: 431 })
    }
  })
})

describe('heads that the app sees as they came', () => {
  const targets = [
    '//evil',
    '/%00',
    '/%zz',
    '/a/%2e%2e/b',
    '/a/../b',
    '/?q=%',
    '/a?b=\\c',
    '/?a|b^{}"<>`',
    `/${'a'.repeat(7000)}`,
  ]
  test.each(targets)('target %s', async target => {
    const listener = await openListener(echoLength)
    const bytes = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
    const [answer] = answersIn(await exchange(listener.url, bytes))
    expect(answer?.status).toBe(200)
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ target })
  })

  const hosts = [
    '',
    'a',
    'A.b-c_d:80',
    'a:',
    'a.b.',
    '127.0.0.1:8082',
    '[::1]',
    '[0:0:0:0:0:0:0:1]:80',
    "a!$&'()*+,;=~b",
  ]
  test.each(hosts)('Host "%s"', async host => {
    const listener = await openListener(echoLength)
    const bytes = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    expect(answersIn(await exchange(listener.url, bytes))[0]?.status).toBe(200)
  })

  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'

  test('an offer to upgrade is passed over, and the connection goes on with HTTP/1.1', async () => {
    const listener = await openListener(echoLength)
    const connection = await RawConnection.open(listener.url)
    for (const target of ['/1', '/2']) {
      connection.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n${offer}\r\n`)
      await connection.receive(new RegExp(`"${target}"`))
    }
    connection.send('GET /3 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await connection.receive(/"\/3"/)
    connection.send(`POST /4 HTTP/1.1\r\nHost: a\r\n${offer}Content-Length: 6\r\n\r\nabc`)
    connection.send('def')
    await connection.receive(/"\/4","bytes":6/)
    connection.send('GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await connection.ended()
    const answers = answersIn(connection.received)
    expect(answers.map(({ body }) => JSON.parse(body).target)).toEqual(['/1', '/2', '/3', '/4', '/5'])
  })

  const heads = [
    `GET /1 HTTP/1.1\r\nHost: a\r\n${offer}\r\n`,
    `POST /1 HTTP/1.1\r\nHost: a\r\n${offer}Content-Length: 3\r\n\r\nabc`,
  ]
  // Node's parser drops the rest of the packet after such a request; what then remains of the second must not
  // be taken for a request.
  test.each(heads)('bytes behind an offer to upgrade end the connection after its answer: %s', async head => {
    const seen: unknown[] = []
    const listener = await openListener((request, env) => {
      seen.push(env.incoming.url)
      return echoLength(request, env)
    })
    const connection = await RawConnection.open(listener.url)
    connection.send(`${head}POST /2 HTTP/1.1\r\nContent-Length: 100\r\n`)
    connection.send('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n')
    await connection.ended()
    const answers = answersIn(connection.received)
    expect(answers).toMatchObject([{ status: 200 }])
    expect(answers[0]?.head).toMatch(/\r\nConnection: close\r\n/i)
    expect(seen).toEqual(['/1'])
  })

  test('HTTP/1.0, with and without a Host', async () => {
    const listener = await openListener(echoLength)
    const bytes = 'POST /a HTTP/1.0\r\nContent-Length: 2\r\n\r\nab'
    expect(JSON.parse(answersIn(await exchange(listener.url, bytes))[0]?.body ?? '')).toMatchObject({
      bytes: 2,
    })
    const hosted = 'GET /a HTTP/1.0\r\nHost: a\r\nExpect: whatever\r\n\r\n'
    expect(answersIn(await exchange(listener.url, hosted))[0]?.status).toBe(200)
  })

  test('OPTIONS * asks about the server, and is answered without the app', async () => {
    const listener = await openListener(() => {
      throw new Error('not to be called')
    })
    const connection = await RawConnection.open(listener.url)
    connection.send('OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await connection.ended()
    expect(answersIn(connection.received)).toMatchObject([{ status: 200, body: '' }])
  })
})

describe('canonicalHost', () => {
  test.each([
    ['', ''],
    ['a', 'a'],
    ['Kafka.Example.com:8082', 'Kafka.Example.com:8082'],
    ['a:', 'a'],
    ['a:080', 'a:80'],
    ['10.0.0.1:65535', '10.0.0.1:65535'],
    ['[0:0:0:0:0:0:0:1]:8082', '[::1]:8082'],
    ['[::FFFF:1.2.3.4]', '[::ffff:102:304]'],
    ['127.1', undefined],
    ['0x7f.0.0.1', undefined],
    ['010.0.0.1', undefined],
    ['1.2.3.4.5', undefined],
    ['256.1.1.1', undefined],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['a%2eb', undefined],
    [':80', undefined],
    ['a:99999', undefined],
    ['[::1', undefined],
    ['[::1]x', undefined],
    [`${'a'.repeat(300)}`, undefined],
  ])('%s', (text, canonical) => expect(canonicalHost(text)).toBe(canonical))

  test('a long hostile Host takes no time to refuse', () => {
    expect(canonicalHost(`${'a'.repeat(200_000)}!:`)).toBeUndefined()
    expect(canonicalHost(`${'a-'.repeat(129)}!!`)).toBe(`${'a-'.repeat(129)}!!`)
  })
})

function post(...lines: string[]): string {
  return ['POST / HTTP/1.1', 'Host: a', ...lines].join('\r\n')
}

function many(count: number, last: string): string {
  return `GET / HTTP/1.1\r\nHost: a\r\n${'a:\r\n'.repeat(count)}${last}\r\n\r\n`
}
