import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { http } from '../support/http-client.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { until } from '../support/until.ts'

/** A server that answers with fixed bytes once it has received `end`, and keeps what it received. */
async function serve(answer: string, end: string) {
  let received = ''
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.setEncoding('latin1').on('data', text => {
      received += text
      if (received.endsWith(end)) socket.end(answer)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { base: `http://127.0.0.1:${port}`, received: () => received, sockets }
}

test('the request goes out as given: raw path, a body on GET', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 7\r\n\r\n{"a":1}'
  const server = await serve(answer, 'body')
  const path = '/a/%2e%2E/../b?x=%41'
  const response = await http({ base: server.base, path, headers: { 'X-A': '1' }, body: 'body' })
  expect(response).toMatchObject({ status: 200, text: '{"a":1}' })
  expect(response.headers['content-type']).toBe('a/b')
  expect(response.json()).toEqual({ a: 1 })
  expect(server.received()).toMatch(/^GET \/a\/%2e%2E\/\.\.\/b\?x=%41 HTTP\/1\.1\r\n/)
  expect(server.received()).toContain('Content-Length: 4\r\n')
  expect(server.received()).toContain('X-A: 1\r\n')
})

test('an answer that is cut short is an error, not a short body', async () => {
  const server = await serve('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', '\r\n\r\n')
  await expect(http({ base: server.base, path: '/' })).rejects.toThrow()
})

test('a raw connection sends bytes as they are, and can vanish with a reset', async () => {
  const server = await serve('bye', 'X')
  const talking = await RawConnection.open(server.base)
  talking.send('GET / HTTP/1.1\nbroken\u00ffX')
  await talking.receive(/bye/)
  await talking.ended()
  expect(server.received()).toBe('GET / HTTP/1.1\nbroken\u00ffX')
  const vanishing = await RawConnection.open(server.base)
  const socket = await until('the connection to come in', () => server.sockets[1])
  const failed = once(socket, 'error')
  vanishing.reset()
  expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
})

test('until gives the value, and names what did not come', async () => {
  let count = 0
  expect(await until('three', () => ++count >= 3 && count, { intervalMs: 1 })).toBe(3)
  const failing = until('pigs to fly', () => false, { timeoutMs: 5, intervalMs: 1 })
  await expect(failing).rejects.toThrow('not within 5 ms: pigs to fly (last: false)')
})
