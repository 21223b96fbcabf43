import { expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { seedFrom } from '../support/seed.ts'
import { runHistory } from './history.ts'
import { measureScale } from './scale.ts'
import { type Safeguard, Violation, type WorldOptions } from './world.ts'

const seconds = 40

/** Both modes take turns, as in `npm run simulate`. */
const optionsOf = (seed: number): WorldOptions => ({
  seed,
  failover: seed % 2 === 0 ? 'recreate' : 'takeover',
})

async function violationOf(options: WorldOptions): Promise<string | undefined> {
  try {
    await runHistory(options, seconds)
    return undefined
  } catch (error) {
    if (error instanceof Violation) return [error.message, ...error.events.slice(-60)].join('\n')
    throw error
  }
}

async function expectClean(from: number, count: number): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    const replay = `npm run simulate -- --seed ${seed} --histories 1 --seconds ${seconds}`
    expect(await violationOf(optionsOf(seed)), replay).toBeUndefined()
  }
}

test.each([7, 8])('the history of seed %d is repeated to the last event', async seed => {
  const once = await runHistory(optionsOf(seed), seconds)
  expect(once.trace.length).toBeGreaterThan(500)
  expect(await runHistory(optionsOf(seed), seconds)).toEqual(once)
})

const from = seedFrom('SIMULATION_SEED')
test(
  `nothing that must hold is broken in the two hundred histories from seed ${from} on`,
  () => expectClean(from, 200),
  480_000,
)

// Each safeguard alone is taken out; the same history with it is clean, so that it is what makes the difference.
test.each<[Safeguard, RegExp]>([
  ['token-check', /^\w hands out/],
  ['lease-deadline', /^\w hands out/],
  ['death-proof', /is gone; \w holds it/],
  ['release', /points nowhere .* lives$/m],
  ['sweep', /points nowhere .* ran out$/m],
  ['fencing', /is overwritten by|is handed out again/],
])(
  'the audit notices a system without its %s',
  async (without, expected) => {
    for (let seed = 0; seed < 500; seed++) {
      const options = optionsOf(seed)
      const what = await violationOf({ ...options, without })
      if (what === undefined || !expected.test(what)) continue
      expect(await violationOf(options)).toBeUndefined()
      return
    }
    expect.unreachable('no history shows it')
  },
  120_000,
)

test('what routing costs is measured with few nodes, too', async () => {
  const costs = await measureScale(new MemoryRoutingTable({ clock: systemClock }), {
    nodes: 5,
    placements: 100,
  })
  for (const { what, ms } of costs) expect(ms, what).toBeGreaterThan(0)
  expect(costs.map(({ note }) => note)).toContain(
    'node, each second, however many it holds (here 20): 1 renew, 1 members',
  )
  expect(costs.at(-1)?.note).toMatch(/^node: ends its share, [1-9]/)
})
