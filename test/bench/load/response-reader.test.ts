import { expect, test } from 'vitest'
import { type Answer, ResponseReader } from './response-reader.ts'

const sized = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'
const chunked =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n'
const empty = 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
const interim = 'HTTP/1.1 100 Continue\r\n\r\n'

/** The answers in `text`, which comes in pieces of `size` bytes. */
function read(text: string, size: number): Answer[] {
  const reader = new ResponseReader()
  const answers: Answer[] = []
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) {
    const answer = reader.push(bytes.subarray(at, at + size))
    if (answer) answers.push(answer)
  }
  expect(reader.midway).toBe(false)
  return answers
}

test.each([1, 2, 3, 7, 1000])('answers in pieces of %i bytes', size => {
  const plain = (text: string) => read(text, size).map(({ status, body }) => `${status} ${body}`)
  expect(plain(sized)).toEqual(['200 hello'])
  expect(plain(chunked)).toEqual(['200 hello world'])
  expect(plain(interim + sized)).toEqual(['200 hello'])
  expect(read(empty, size)).toEqual([{ status: 204, body: Buffer.alloc(0), closes: true }])
})

test('one answer after the other on a connection', () => {
  expect(read(sized + chunked + sized, 5).map(({ body }) => body.toString())).toEqual([
    'hello',
    'hello world',
    'hello',
  ])
})

test('half an answer is midway', () => {
  const reader = new ResponseReader()
  expect(reader.push(Buffer.from(sized.slice(0, -1)))).toBeUndefined()
  expect(reader.midway).toBe(true)
})

test.each([
  'SSH-2.0-x\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
])('%j is refused', text => {
  expect(() => new ResponseReader().push(Buffer.from(text))).toThrow()
})
