import { parseArgs } from 'node:util'
import { drawSeed } from '../../shared/random.ts'
import { runHistory } from './history.ts'
import { printScale } from './print-scale.ts'
import { Violation } from './world.ts'

// `npm run simulate -- --seed N --histories M --seconds S`: random histories of the whole system, without sockets.
// History n has the seed N + n, so that `--seed` with that sum and `--histories 1` replays it alone; `--events E` shows the last E events of it.
// `npm run simulate -- --scale`: what routing costs with many nodes and placements (`--nodes`, `--placements`).

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    histories: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    scale: { type: 'boolean', default: false },
    nodes: { type: 'string', default: '50' },
    placements: { type: 'string', default: '100000' },
    events: { type: 'string', default: '60' },
    'keep-going': { type: 'boolean', default: false },
  },
})
if (values.scale) await printScale({ nodes: Number(values.nodes), placements: Number(values.placements) })
else await simulate()

async function simulate(): Promise<void> {
  const seed = Number(values.seed ?? drawSeed())
  const histories = Number(values.histories)
  const seconds = Number(values.seconds)
  console.log(`seed ${seed}, ${histories} histories of ${seconds} s and what follows`)

  const began = performance.now()
  let [handOuts, commits, splits, violations] = [0, 0, 0, 0]
  for (let history = 0; history < histories; history++) {
    const own = (seed + history) >>> 0
    try {
      const failover = own % 2 === 0 ? 'recreate' : 'takeover'
      const result = await runHistory({ seed: own, failover }, seconds)
      handOuts += result.handOuts
      commits += result.commits
      splits += result.splits
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      violations++
      console.log(`history ${history} (--seed ${own} --histories 1 --seconds ${seconds}): ${error.message}`)
      if (values['keep-going']) continue
      console.log(error.events.slice(-Number(values.events)).join('\n'))
      break
    }
  }
  const took = (performance.now() - began) / 1000
  console.log(
    `${violations} violations; ${handOuts} reads, ${commits} commits, ${splits} reads from a holder that was cut off; ${(histories / took).toFixed(1)} histories/s`,
  )
  process.exitCode = violations > 0 ? 1 : 0
}
