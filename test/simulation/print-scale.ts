import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalRedis } from '../../infra/local/redis.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { standaloneRedis } from '../../shared/routing/redis-client.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import { figure, markdownTable } from '../bench/markdown.ts'
import { type Cost, measureScale, type ScaleOptions } from './scale.ts'

/** Prints what routing costs over a table in memory, which is the cost of our own code, and over a Redis of its own. */
export async function printScale(options: ScaleOptions): Promise<void> {
  const { nodes, placements } = options
  console.log(`${placements.toLocaleString('en-US')} placements, ${nodes} nodes; ms, one request at a time\n`)
  const inMemory = await measureScale(new MemoryRoutingTable({ clock: systemClock }), options)
  const inRedis = await overRedis(options)
  const rows = inMemory.map(({ what, ms }, index) => {
    const redis = inRedis[index]
    return [what, decimals(ms), decimals(redis?.ms ?? Number.NaN), redis?.note ?? '']
  })
  console.log(markdownTable(['', 'in memory', 'in Redis', ''], rows))
}

const decimals = (ms: number) => (ms < 0.1 ? ms.toFixed(4) : figure(ms))

async function overRedis(options: ScaleOptions): Promise<Cost[]> {
  const dir = mkdtempSync(join(tmpdir(), 'scale-'))
  const redis = await LocalRedis.start({ dir, progress: line => console.error(line) })
  try {
    const table = await openRedisRoutingTable({
      address: standaloneRedis(redis.url),
      keyPrefix: '{scale}:',
      timeoutMs: 10_000,
      log: silentLogger,
      clock: systemClock,
    })
    try {
      return await measureScale(table, options)
    } finally {
      await table.stop()
    }
  } finally {
    await redis.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}
