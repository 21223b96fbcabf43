import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../support/until.ts'

/** 10,000 by hand: IDLE_CONNECTIONS=10000. */
const count = Number(process.env['IDLE_CONNECTIONS'] ?? 1500)

interface Memory {
  readonly connections: number
  readonly rss: number
  readonly used: number
}

/** The listener in a process of its own, and how to ask for its memory. */
async function startListener() {
  const script = fileURLToPath(new URL('../support/listener-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    child.stdin.end()
    if (child.exitCode === null) await once(child, 'exit')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async () => String((await lines.next()).value)
  const url = await line()
  const memory = async (): Promise<Memory> => {
    child.stdin.write('\n')
    return JSON.parse(await line())
  }
  return { port: Number(new URL(url).port), memory }
}

async function open(port: number, bytes: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  if (bytes === '') return socket
  socket.write(bytes)
  if (bytes.endsWith('\r\n\r\n')) await once(socket, 'data')
  return socket
}

/** Connections in the states that cost nothing to whoever opens them. */
const states = [
  ['that never said anything', ''],
  ['in the middle of a long head', `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(7000)}`],
  ['idle after a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
] as const

test.each(states)('connections %s cost little, and nothing when they are gone', async (_, bytes) => {
  const { port, memory } = await startListener()
  // The first ones warm up what is only needed once.
  const warm = await Promise.all(Array.from({ length: 50 }, () => open(port, bytes)))
  const before = await memory()
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Math.min(100, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => open(port, bytes)))))
  }
  await until('all to be open', async () => (await memory()).connections === count + warm.length)
  const during = await memory()
  // The server still answers.
  const asking = await open(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  asking.destroy()
  const each = (during.used - before.used) / count
  console.info(
    `${count} connections ${_}: ${Math.round(each)} bytes of heap each, ${Math.round((during.rss - before.rss) / count)} resident`,
  )
  expect(each).toBeLessThan(24 * 1024)
  for (const socket of [...sockets, ...warm]) socket.resetAndDestroy()
  await until('all to be gone', async () => (await memory()).connections === 0)
  const after = await memory()
  expect((after.used - before.used) / count).toBeLessThan(1024)
})
