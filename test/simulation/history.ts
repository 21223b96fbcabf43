import { createRandom } from '../../shared/random.ts'
import type { SimulatedProcess } from './simulated-time.ts'
import { World, type WorldOptions } from './world.ts'

export interface HistoryResult {
  readonly handOuts: number
  readonly commits: number
  readonly splits: number
  /** All that happened, in order. */
  readonly trace: readonly string[]
}

/**
 * One random history: faults at random times for `seconds` of simulated time, then none, until all must be well.
 * @throws Violation
 */
export async function runHistory(options: WorldOptions, seconds: number): Promise<HistoryResult> {
  const world = new World(options)
  const random = createRandom(options.seed ^ 0x5bd1e995)
  await world.start()
  for (let left = seconds * 1000; left > 0; ) {
    const ms = Math.min(left, 100 + random() ** 2 * 8000)
    await world.advance(ms)
    left -= ms
    disturb(world, random)
  }
  await world.heal()
  const { handOuts, commits, splits } = world.audit
  return { handOuts, commits, splits, trace: world.events }
}

function disturb(world: World, random: () => number): void {
  const pick = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(random() * values.length)] as Value
  const id = pick(['a', 'b', 'c', 'd'])
  const node = world.nodes.get(id)
  const alive = node?.process.alive === true
  const ends = ['a', 'b', 'c', 'g1', 'g2', 'table']
  const from = pick(ends)
  const to = pick(ends.filter(end => end !== from))
  const gateway = pick(['g1', 'g2'])
  const stop = (process: SimulatedProcess) =>
    process.stopped ? process.continueProcess() : process.stopProcess()
  const faults: readonly (readonly [number, string, () => void])[] = [
    [3, `${id} crashes`, () => node?.crash()],
    [6, `${id} is started`, () => (alive ? undefined : world.startNode(id))],
    [
      2,
      `${id} crashes and is started`,
      () => {
        node?.crash()
        world.startNode(id)
      },
    ],
    [5, `${id} is stopped or goes on`, () => node && stop(node.process)],
    [
      1,
      'the table is stopped or goes on',
      () => {
        world.tableLostAt = world.queue.time
        stop(world.tableHost)
      },
    ],
    [2, `${gateway} crashes and is started`, () => world.startGateway(gateway)],
    [5, `${from} > ${to} is cut`, () => world.network.cut(from, to)],
    [5, 'the network is whole', () => world.network.mendAll()],
    [
      3,
      `${id} > table: answers are lost`,
      () => world.network.disturb(id, 'table', { lose: 1 + random() * 3 }),
    ],
    [
      3,
      `${id} > table: requests are late`,
      () => world.network.disturb(id, 'table', { delay: 1 + random() * 3, lateMs: random() * 9000 }),
    ],
    [1, 'the table loses everything', () => world.loseTable('everything')],
    [1, 'the table loses its last second', () => world.loseTable('last second')],
    [2, `${id} drains`, () => alive && !node.process.stopped && void node.drain()],
    [2, `${id} drains no more`, () => alive && !node.process.stopped && void node.undrain()],
    [1, `${id} drains and leaves`, () => alive && !node.process.stopped && void node.leave()],
  ]
  let drawn = random() * faults.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, what, act] of faults) {
    drawn -= weight
    if (drawn >= 0) continue
    world.trace(`— ${what}`)
    world.disturbedAt = world.queue.time
    act()
    return
  }
}
