import type { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { type RoutingTable, RoutingTableUnavailable } from '../../shared/routing/routing-table.ts'
import { NoAnswer, type SimulatedNetwork } from './simulated-network.ts'
import type { SimulatedProcess } from './simulated-time.ts'
import { leaseMs, tableTimeoutMs } from './timing.ts'
import type { Safeguard } from './world.ts'

/** Whose requests may be lost or late: those that change placements or leases. */
const disturbed = new Set(['renew', 'claim', 'release', 'update', 'handBack', 'reassert'])

/** A process's way to the routing table over a network; it tells its listeners when the table is reached again. */
export function tableOver(
  network: SimulatedNetwork,
  process: SimulatedProcess,
  host: SimulatedProcess,
  table: MemoryRoutingTable,
  without: Safeguard | undefined,
): RoutingTable {
  const listeners = new Set<() => void>()
  let failed = false
  const tell = () => {
    for (const listener of listeners) listener()
  }
  // A connection sees that the table behind it has changed (its birth or its replication id).
  table.onReturn(() => process.deliver(() => !network.isCut(process.name, host.name) && tell()))
  const pass = async (name: string, args: unknown[]) => {
    // What the table is told stays right when the node believes in a longer lease.
    if (name === 'renew') args[1] = leaseMs
    if (name === 'release' && without === 'release') return true
    if (name === 'orphans' && without === 'sweep') return []
    const call = () => Reflect.apply(Reflect.get(table, name), table, args) as Promise<unknown>
    // A sweep asks hundreds of buckets: without time in between, so that a history stays short.
    if (name === 'orphans' && network.wholeSince(process.name, host.name, 0)) return call()
    try {
      const options = { timeoutMs: tableTimeoutMs, mayFail: disturbed.has(name) }
      const result = await network.request(process, host, host.name, call, options)
      if (failed) {
        failed = false
        tell()
      }
      return result
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      failed = true
      throw new RoutingTableUnavailable(error.message)
    }
  }
  return new Proxy(table as RoutingTable, {
    get(_, name: string) {
      if (name === 'onReturn')
        return (listener: () => void) => {
          listeners.add(listener)
          return () => listeners.delete(listener)
        }
      return (...args: unknown[]) => pass(name, args)
    },
  })
}
