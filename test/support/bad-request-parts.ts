import { mediaTypes } from '../../shared/rest/media-type.ts'
import type { Expected } from './bad-requests.ts'

export const { v2, binary, json, avro, jsonschema, protobuf } = mediaTypes

/** Headers by name; an array gives the header once for each value. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[]>>

/** A request with `Host` and, for a body, `Content-Length`, unless the headers name their own framing. */
export function request(
  method: string,
  target: string,
  headers: RequestHeaders = {},
  body?: string | Buffer,
): Buffer {
  const bytes = body === undefined ? undefined : Buffer.from(body)
  const own = Object.keys(headers).map(name => name.toLowerCase())
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    (typeof values === 'string' ? [values] : values).map(value => `${name}: ${value}\r\n`),
  )
  const framed = own.includes('content-length') || own.includes('transfer-encoding')
  const length = bytes && !framed ? `Content-Length: ${bytes.length}\r\n` : ''
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${length}${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes ?? Buffer.alloc(0)])
}

const error = (status: number, code: number, text: string): Expected => ({ status, code, text })

// What contract v2 §1 and §3 say, once.
export const notFound: Expected = { ...error(404, 404, 'HTTP 404 Not Found'), bare: true }
/** The same where the path was matched: a number in it, or in the query, that is none. */
export const noNumber: Expected = error(404, 404, 'HTTP 404 Not Found')
export const wrongMethod: Expected = { ...error(405, 405, 'HTTP 405 Method Not Allowed'), bare: true }
export const notAcceptable: Expected = { ...error(406, 406, 'HTTP 406 Not Acceptable'), bare: true }
export const wrongType: Expected = error(415, 415, 'HTTP 415 Unsupported Media Type')
export const noInstance: Expected = error(404, 40403, 'Consumer instance not found.')
export const noPartition: Expected = error(404, 40402, 'Partition not found.')
export const tooLarge: Expected = error(413, 413, 'HTTP 413 Payload Too Large')
export const framing: Expected = error(400, 40013, 'The HTTP request is malformed.')
export const badHost: Expected = error(400, 40010, 'The Host header must be host or host:port.')
export const badTarget: Expected = error(400, 40012, 'The request target must be a path.')
export const badType: Expected = error(400, 40015, 'The Content-Type header is not a media type.')
export const badPath: Expected = error(400, 400, 'Malformed percent-encoding in the path')
export const badUtf8: Expected = error(400, 400, 'Invalid UTF-8 in the request body')
export const truncated: Expected = error(400, 40014, 'The request body ended early.')
export const late: Expected = error(408, 40810, 'The request was not sent in time.')
export const longHead: Expected = error(431, 431, 'The request head is too large (request.head.max.bytes).')
export const expectation: Expected = error(417, 41701, 'The Expect header may only be 100-continue.')
export const tooDeep: Expected = error(
  400,
  40011,
  'The JSON is nested deeper than 64 levels (request.json.depth.max).',
)

/** 422 / 422 with this text. */
export const invalid = (text: string): Expected => error(422, 422, text)
export const unknownField = (name: string): Expected => invalid(`Unrecognized field: ${name}`)
/** 400 / 400 with a text of the JSON library's, which may begin so. */
export const badJson = (prefix = ''): Expected => ({ status: 400, code: 400, prefix })
export const illegalState = (text: string): Expected => error(409, 40903, `Illegal state: ${text}`)
/** No error: hostile to look at, and harmless. */
export const harmless = (status: number, includes = ''): Expected => ({ status, includes })

/** JSON values of the wrong kind for a field, with the error that each gives. */
export const wrongKinds = {
  int: [
    ['an object', {}, badJson('Cannot deserialize value of type `Integer` from Object value')],
    ['an array', [1], badJson('Cannot deserialize value of type `Integer` from Array value')],
    ['a boolean', true, badJson('Cannot deserialize value of type `Integer` from Boolean value')],
    ['a word', 'abc', badJson('Cannot deserialize value of type `Integer` from String "abc"')],
    [
      'a number beyond 32 bits',
      99_999_999_999,
      error(400, 400, 'Numeric value (99999999999) out of range of int (-2147483648 - 2147483647)'),
    ],
  ],
  long: [
    ['an object', {}, badJson('Cannot deserialize value of type `Long` from Object value')],
    ['an array', [1], badJson('Cannot deserialize value of type `Long` from Array value')],
    ['a boolean', false, badJson('Cannot deserialize value of type `Long` from Boolean value')],
    ['a word', 'abc', badJson('Cannot deserialize value of type `Long` from String "abc"')],
    [
      'a number beyond 64 bits',
      '9223372036854775808',
      error(
        400,
        400,
        'Numeric value (9223372036854775808) out of range of long (-9223372036854775808 - 9223372036854775807)',
      ),
    ],
  ],
  string: [
    ['an object', { a: 1 }, badJson('Cannot deserialize value of type `String` from Object value')],
    ['an array', ['a'], badJson('Cannot deserialize value of type `String` from Array value')],
  ],
  instant: [
    ['an object', {}, badJson('Cannot deserialize value of type `Instant`')],
    ['a boolean', true, badJson('Cannot deserialize value of type `Instant`')],
    ['a word', 'yesterday', badJson('Cannot deserialize value of type `Instant`')],
    ['a time without a zone', '2024-01-01T00:00:00', badJson('Cannot deserialize value of type `Instant`')],
    ['a number beyond all time', 1e300, badJson('Cannot deserialize value of type `Instant`')],
  ],
  list: [
    ['an object', {}, badJson('Cannot deserialize value of type')],
    ['a string', 'abc', badJson('Cannot deserialize value of type')],
    ['a number', 1, badJson('Cannot deserialize value of type')],
    ['a boolean', true, badJson('Cannot deserialize value of type')],
  ],
  object: [
    ['an array', [[]], badJson('Cannot deserialize value of type')],
    ['a string', 'abc', badJson('Cannot deserialize value of type')],
    ['a number', 1, badJson('Cannot deserialize value of type')],
    ['a boolean', false, badJson('Cannot deserialize value of type')],
  ],
} as const satisfies Record<string, readonly (readonly [string, unknown, Expected])[]>

export type FieldKind = keyof typeof wrongKinds

/** A field of a body: where it is, what it is, and a body around a value for it. */
export interface Field {
  readonly path: string
  readonly kind: FieldKind
  readonly around: (value: unknown) => unknown
}

/** Each field of a body with each value of a wrong kind. */
export function wrongFields(
  fields: readonly Field[],
): { readonly what: string; readonly body: string; readonly expected: Expected }[] {
  return fields.flatMap(({ path, kind, around }) =>
    wrongKinds[kind].map(([word, value, expected]) => ({
      what: `${path} is ${word}`,
      body: JSON.stringify(around(value)),
      expected,
    })),
  )
}

/** JSON texts that are none, whatever the endpoint. */
export const brokenJson: readonly (readonly [string, string | Buffer, Expected])[] = [
  ['a word', 'foobar', badJson()],
  ['an open object', '{', badJson()],
  ['an open string', '{"a', badJson()],
  ['trailing garbage', '{} x', badJson()],
  ['two values', '{}{}', badJson()],
  ['single quotes', "{'a':1}", badJson()],
  ['NaN', '{"a":NaN}', badJson()],
  ['Infinity', '{"a":-Infinity}', badJson()],
  ['a comment', '{/* */}', badJson()],
  ['a trailing comma', '{"a":1,}', badJson()],
  ['a leading zero', '{"a":01}', badJson()],
  ['a control character in a string', '{"a":"\u0001"}', badJson()],
  ['a bad escape', '{"a":"\\x41"}', badJson()],
  ['a NUL', '{"a":1}\0', badJson()],
  ['closing brackets only', ']]]}}}', badJson()],
  ['a byte of a broken sequence', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), badUtf8],
  ['an overlong sequence', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), badUtf8],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), badUtf8],
  ['UTF-16', Buffer.from('{"a":1}', 'utf16le'), badJson()],
  ['gzip', Buffer.from('1f8b0800000000000003abae05004372b9a302000000', 'hex'), badUtf8],
  ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`, tooDeep],
  ['90,000 levels', '['.repeat(90_000), tooDeep],
]
