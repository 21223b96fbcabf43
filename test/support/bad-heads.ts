import { gzipSync } from 'node:zlib'
import {
  badHost,
  badJson,
  badTarget,
  badType,
  badUtf8,
  expectation,
  framing,
  harmless,
  json,
  late,
  longHead,
  notAcceptable,
  request,
  tooLarge,
  truncated,
  v2,
  wrongType,
} from './bad-request-parts.ts'
import type { BadRequest, Expected } from './bad-requests.ts'

type Row = readonly [name: string, bytes: string | Buffer, expected: Expected]

const get = (...lines: string[]) =>
  `GET / HTTP/1.1\r\nHost: a\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`
const post = (lines: readonly string[], body: string) =>
  `POST / HTTP/1.1\r\nHost: a\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n${body}`

/** Heads that two HTTP implementations in a row could read differently (RFC 9112), or that nobody should. */
const framingRows: readonly Row[] = [
  ['a folded header', get('X-A: a', ' b'), framing],
  ['bare LF as line end', 'GET / HTTP/1.1\nHost: a\n\n', framing],
  ['bare CR in a value', get('X-A: a\rb'), framing],
  ['NUL in a value', get('X-A: a\0b'), framing],
  ['NUL in the target', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['a space before the colon', get('X-A : a'), framing],
  ['a header without a name', get(': b'), framing],
  ['a header without a colon', get('abc'), framing],
  ['a header name of bytes beyond ASCII', get('X-\xe4: a'), framing],
  ['bytes beyond ASCII in the target', 'GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['a tab in the target', 'GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['a method that is no token', 'G@T / HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['a method in small letters', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['a method that nobody knows', 'FETCH / HTTP/1.1\r\nHost: a\r\n\r\n', framing],
  ['HTTP/0.9', 'GET /\r\n\r\n', framing],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', framing],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', framing],
  ['another protocol in the version', 'GET / ICE/1.1\r\nHost: a\r\n\r\n', framing],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', framing],
  ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00', framing],
  ['a Redis command', '*1\r\n$4\r\nPING\r\n', framing],
  ['a Kafka request', '\x00\x00\x00\x12\x00\x12\x00\x00\x00\x00\x00\x01\x00\x04test', framing],
  ['length and coding', post(['Content-Length: 3', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), framing],
  ['coding and length', post(['Transfer-Encoding: chunked', 'Content-Length: 3'], '0\r\n\r\n'), framing],
  ['two lengths', post(['Content-Length: 3', 'Content-Length: 4'], 'abcd'), framing],
  ['two equal lengths', post(['Content-Length: 3', 'Content-Length: 3'], 'abc'), framing],
  ['a list of lengths', post(['Content-Length: 3, 3'], 'abc'), framing],
  ['a signed length', post(['Content-Length: +3'], 'abc'), framing],
  ['a negative length', post(['Content-Length: -3'], 'abc'), framing],
  ['a hexadecimal length', post(['Content-Length: 0x3'], 'abc'), framing],
  ['a fractional length', post(['Content-Length: 3.0'], 'abc'), framing],
  ['an empty length', post(['Content-Length: '], 'abc'), framing],
  ['a length beyond 64 bits', post(['Content-Length: 99999999999999999999'], 'abc'), framing],
  ['a coding nobody undoes', post(['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'), framing],
  ['chunked twice', post(['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'), framing],
  ['chunked not last', post(['Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'), framing],
  ['the coding identity', post(['Transfer-Encoding: identity'], 'abc'), framing],
  ['two codings', post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), framing],
  ['a disguised coding', post(['Transfer-Encoding: xchunked'], '0\r\n\r\n'), framing],
  ['a hidden coding', post(['Transfer-Encoding:\x0bchunked'], '0\r\n\r\n'), framing],
  ['a coding on HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', framing],
]

const addressRows: readonly Row[] = [
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', badHost],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', badHost],
  ['two equal Hosts in two spellings', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', badHost],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', badHost],
  ['a Host with user info', 'GET / HTTP/1.1\r\nHost: u:p@a\r\n\r\n', badHost],
  ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', badHost],
  ['a Host with a word for a port', 'GET / HTTP/1.1\r\nHost: a:http\r\n\r\n', badHost],
  ['a Host with a port too large', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', badHost],
  ['a Host of bytes beyond ASCII', 'GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n', badHost],
  ['a Host that is half an address', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', badHost],
  ['a Host that URL parsers rewrite', 'GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n', badHost],
  ['a Host of 300 characters', `GET / HTTP/1.1\r\nHost: ${'a'.repeat(300)}\r\n\r\n`, badHost],
  ['a Host that is markup', 'GET / HTTP/1.1\r\nHost: "><script>\r\n\r\n', badHost],
  ['an absolute target', 'GET http://a/topics HTTP/1.1\r\nHost: a\r\n\r\n', badTarget],
  ['an absolute target of another scheme', 'GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n', badTarget],
  ['a tunnel', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', badTarget],
  ['* without OPTIONS', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', badTarget],
  ['a fragment', 'GET /topics#b HTTP/1.1\r\nHost: a\r\n\r\n', badTarget],
  ['a backslash', 'GET /\\topics HTTP/1.1\r\nHost: a\r\n\r\n', badTarget],
]

const limitRows: readonly Row[] = [
  ['a target over the limit', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, longHead],
  ['a query over the limit', `GET /topics?${'a=b&'.repeat(2500)} HTTP/1.1\r\nHost: a\r\n\r\n`, longHead],
  ['a header over the limit', get(`X-A: ${'a'.repeat(9000)}`), longHead],
  ['many small headers over the limit', get(...Array.from({ length: 1500 }, () => 'X-A: a')), longHead],
  ['a head without an end', `GET / HTTP/1.1\r\nHost: a\r\n${'X-A: a\r\n'.repeat(5000)}`, longHead],
  ['another expectation', get('Expect: 200-ok'), expectation],
  ['more than one expectation', get('Expect: 100-continue, b'), expectation],
  ['an empty expectation', get('Expect:'), expectation],
  [
    'an expectation whose request is refused anyway',
    post(['Expect: 100-continue', 'Content-Type: text/plain', 'Content-Length: 5'], 'abcde'),
    wrongType,
  ],
  ['a body over the limit, announced', post(['Content-Length: 200001'], ''), tooLarge],
  ['a body of 2^53 bytes, announced', post(['Content-Length: 9007199254740991'], ''), tooLarge],
  ['a body over the limit, sent', post(['Content-Length: 200001'], ' '.repeat(200_001)), tooLarge],
  [
    'a body over the limit in chunks',
    post(['Transfer-Encoding: chunked'], `30d41\r\n${' '.repeat(200_001)}\r\n0\r\n\r\n`),
    tooLarge,
  ],
]

const chunked = (body: string) => post(['Transfer-Encoding: chunked'], body)
const bodyRows: readonly Row[] = [
  ['a chunk size that is none', chunked('xyz\r\n{}\r\n0\r\n\r\n'), framing],
  ['a negative chunk size', chunked('-2\r\n{}\r\n0\r\n\r\n'), framing],
  ['an empty chunk size', chunked('\r\n{}\r\n0\r\n\r\n'), framing],
  ['a chunk size beyond 64 bits', chunked('ffffffffffffffffff\r\n{}\r\n0\r\n\r\n'), framing],
  ['a chunk longer than it says', chunked('2\r\n{}{}\r\n0\r\n\r\n'), framing],
  ['a chunk that ends with LF', chunked('2\n{}\r\n0\r\n\r\n'), framing],
  ['a prefixed chunk size', chunked('0x2\r\n{}\r\n0\r\n\r\n'), framing],
  ['a space after the chunk size', chunked('2 \r\n{}\r\n0\r\n\r\n'), framing],
  ['a chunk extension of 100 KB', chunked(`2;${'a'.repeat(100_000)}\r\n{}\r\n0\r\n\r\n`), framing],
  ['a malformed trailer', chunked('2\r\n{}\r\n0\r\nbad trailer\r\n\r\n'), framing],
  ['a trailer that names a length', chunked('2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n'), framing],
  ['a chunk of each byte', chunked(`${'1\r\n \r\n'.repeat(3000)}2\r\n{}\r\n0\r\n\r\n`), harmless(200, '{}')],
  ['gzip that is announced', request('POST', '/', { 'Content-Encoding': 'gzip' }, gzipSync('{}')), badUtf8],
  [
    'gzip that is announced and is none',
    request('POST', '/', { 'Content-Encoding': 'gzip' }, '{}'),
    harmless(200),
  ],
  ['a body beside GET', request('GET', '/', {}, '{"'), harmless(200, '{}')],
  ['the root with a list', request('POST', '/', {}, '[1]'), badJson('Cannot deserialize value of type')],
  ['the root with an object in it', request('POST', '/', {}, '{"a":{}}'), badJson('Cannot deserialize')],
]

const endings: readonly Row[] = [
  ['a body that ends early', post(['Content-Length: 10'], '{"a"'), truncated],
  ['a body that never begins', post(['Content-Length: 10'], ''), truncated],
  ['chunks that end early', chunked('5\r\n{"a'), truncated],
  ['chunks without the last one', chunked('2\r\n{}\r\n'), truncated],
]

const pauses: readonly Row[] = [
  ['a head that stops', 'GET / HTTP/1.1\r\nHost: a\r\nX-A', late],
  ['a request line that stops', 'GET', late],
  ['a body that stops', post(['Content-Length: 10'], '{"a"'), late],
  ['chunks that stop', chunked('5\r\n{"a'), late],
]

const header = (name: string, value: string | readonly string[], method = 'GET', target = '/') =>
  request(method, target, { [name]: value })

const typeRows: readonly Row[] = [
  ['an empty Content-Type', header('Content-Type', ''), badType],
  ['a Content-Type of one word', header('Content-Type', 'garbage'), badType],
  ['a Content-Type of two slashes', header('Content-Type', 'a/b/c'), badType],
  ['a Content-Type without a subtype', header('Content-Type', 'application/'), badType],
  ['a Content-Type with a control character', header('Content-Type', 'a/b\tc'), badType],
  ['a Content-Type with a bare parameter', header('Content-Type', `${v2}; charset`), badType],
  ['a Content-Type list', header('Content-Type', `${v2}, ${v2}`), badType],
  ['a Content-Type with a broken quote', header('Content-Type', `${v2}; a="b`), badType],
  ['JSON as Content-Type', header('Content-Type', 'application/json'), wrongType],
  ['a wildcard as Content-Type', header('Content-Type', '*/*'), wrongType],
  ['half a wildcard as Content-Type', header('Content-Type', 'application/*'), wrongType],
  ['the generic type as Content-Type', header('Content-Type', 'application/vnd.kafka+json'), wrongType],
  ['version 1 as Content-Type', header('Content-Type', 'application/vnd.kafka.v1+json'), wrongType],
  ['a form', header('Content-Type', 'application/x-www-form-urlencoded', 'POST'), wrongType],
  ['a format where there is none', header('Content-Type', json), wrongType],
  [
    'a wrong Content-Type and a wrong Accept',
    request('GET', '/', { 'Content-Type': 'a/b', Accept: 'a/b' }),
    wrongType,
  ],
  [
    'a type beside any at /brokers',
    header('Content-Type', 'text/plain', 'GET', '/brokers'),
    harmless(200, 'brokers'),
  ],
  ['a type that is none at /brokers', header('Content-Type', 'text', 'GET', '/brokers'), badType],
  ['Accept: JSON', header('Accept', 'application/json'), notAcceptable],
  ['Accept: text', header('Accept', 'text/plain'), notAcceptable],
  ['Accept: a suffix wildcard', header('Accept', 'application/*+json'), notAcceptable],
  ['Accept: version 1', header('Accept', 'application/vnd.kafka.v1+json'), notAcceptable],
  ['Accept: no type at all', header('Accept', ';;;,,,;q=1'), notAcceptable],
  [
    'Accept: 900 types',
    header('Accept', Array.from({ length: 900 }, (_, n) => `a/b${n}`).join(',')),
    notAcceptable,
  ],
  ['Accept in two headers', header('Accept', ['text/plain', v2]), harmless(200)],
  ['Accept with a broken q', header('Accept', `${v2};q=abc, ${v2};q=..`), harmless(200)],
  ['Accept-Encoding of nonsense', header('Accept-Encoding', 'gzip;q=x, \x80, ;;'), harmless(200)],
  [
    'an upgrade to WebSocket',
    request('GET', '/', { Connection: 'Upgrade', Upgrade: 'websocket' }),
    harmless(200),
  ],
  ['Connection: Host', request('GET', '/', { Connection: 'host, content-length' }), harmless(200)],
  ['a request id of control characters', header('X-Request-Id', '\x80\x81<script>'), harmless(200)],
  ['a request id of 2,000 characters', header('X-Request-Id', 'a'.repeat(2000)), harmless(200)],
  ['a method override', request('GET', '/', { 'X-HTTP-Method-Override': 'DELETE' }), harmless(200)],
]

/** Bad heads, framing, sizes, endings and pauses of requests that never get as far as an operation. */
export function badHeads(): BadRequest[] {
  const plain = [...framingRows, ...addressRows, ...limitRows, ...bodyRows, ...pauses, ...typeRows]
  return [
    ...plain.map(([name, bytes, expected]) => ({ name, bytes, expected })),
    ...endings.map(([name, bytes, expected]) => ({ name, bytes, expected, end: true })),
  ]
}
