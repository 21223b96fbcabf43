import { readFileSync } from 'node:fs'
import { startGateway } from '../../gateway/program.ts'
import { gatewaySettings } from '../../gateway/settings.ts'
import { startProxyNode } from '../../proxy-node/program.ts'
import { proxyNodePassThrough, proxyNodeSettings } from '../../proxy-node/settings.ts'
import { systemClock } from '../../shared/clock.ts'
import { Lifecycle } from '../../shared/lifecycle.ts'
import { openLogger } from '../../shared/observability/logger.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import type { SingleProcessPlan } from './single-process-part.ts'
import type { TierSettings } from './tier.ts'

// One gateway and its proxy nodes in this process, around one routing table in memory: what `npm start`
// runs where there is no Redis. The only argument is the plan, a JSON file.

const rootLog = openLogger('info', {})
const lifecycle = new Lifecycle(rootLog)
const aborting = new AbortController()

const entriesOf = (settings: TierSettings) =>
  new Map(Object.entries(settings).map(([key, value]) => [key, String(value)]))

async function start(planFile: string): Promise<void> {
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as SingleProcessPlan
  const shared = {
    clock: systemClock,
    routingTable: new MemoryRoutingTable({ clock: systemClock }),
    signal: aborting.signal,
  }
  for (const settings of plan.nodes) {
    const loaded = loadSettings(proxyNodeSettings, entriesOf(settings), {}, proxyNodePassThrough)
    const log = openLogger(loaded.settings['log.level'], { tier: 'proxy-node', id: loaded.settings.id })
    lifecycle.add(loaded.settings.id, await startProxyNode(loaded, { ...shared, log, onFatal: fail }))
  }
  const { settings } = loadSettings(gatewaySettings, entriesOf(plan.gateway), {})
  const log = openLogger(settings['log.level'], { tier: 'gateway', id: settings.id })
  lifecycle.add('gateway', await startGateway(settings, { ...shared, log }))
}

/** Ends the process: the programs of a tier do the same, each on its own. */
function fail(error: unknown): void {
  rootLog.fatal({ err: error }, 'ending')
  process.exit(1)
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

const starting = start(process.argv[2] ?? '')
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    aborting.abort(new Error(`stopped by ${signal}`))
    // The gateway is stopped first: it was started last.
    void starting
      .catch(() => undefined)
      .then(() => lifecycle.stop())
      .then(() => process.exit(0))
  })
}
starting.catch(error => {
  if (!aborting.signal.aborted) fail(error)
})
