import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePort, isPortFree } from './free-port.ts'

test('a port that is listened on is not free, and is not given out as preferred', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const taken = (server.address() as AddressInfo).port
  try {
    expect(await isPortFree(taken)).toBe(false)
    expect(await freePort(taken)).not.toBe(taken)
  } finally {
    server.close()
  }
})

test('ports are below the ephemeral range and never given out twice', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()))
  expect(new Set(ports).size).toBe(50)
  for (const port of ports) expect(port).toBeLessThan(32_768)
})

test('a process that needs more ports than its share has goes on with those of others', async () => {
  const ports = new Set<number>()
  for (let count = 0; count < 1000; count += 1) ports.add(await freePort())
  expect(ports.size).toBe(1000)
})

test('a preferred port is given once', async () => {
  const preferred = await freePort()
  expect(await freePort(preferred)).not.toBe(preferred)
})
