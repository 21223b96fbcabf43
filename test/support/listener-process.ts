/** A listener in a process of its own, for tests that measure it: prints its url, and its memory for each line read. */
import { createInterface } from 'node:readline'
import { systemClock } from '../../shared/clock.ts'
import { listen } from '../../shared/http/listen.ts'
import { silentLogger } from '../../shared/observability/logger.ts'

const listener = await listen({
  url: 'http://127.0.0.1:0',
  fetch: () => new Response('{}', { headers: { 'Content-Type': 'application/json' } }),
  log: silentLogger,
  clock: systemClock,
  headBytesMax: 8192,
  connectionsMax: 20_000,
  keepAliveTimeoutMs: 600_000,
  headTimeoutMs: 600_000,
  requestTimeoutMs: 600_000,
  writeTimeoutMs: 600_000,
})
console.log(listener.url)
for await (const _ of createInterface({ input: process.stdin })) {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  console.log(JSON.stringify({ connections: listener.connections, rss, used: heapUsed + external }))
}
await listener.stop(0)
