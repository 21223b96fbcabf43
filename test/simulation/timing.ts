/** The settings that all processes of a simulation share, in ms. */
export const leaseMs = 5000
export const tickMs = 1000
export const sweepMs = 5000
/** How long an instance that may be taken over waits for somebody to ask for it. */
export const adoptAfterMs = 15_000
/** How long an instance lives that nobody asks for. */
export const idleMs = 30_000
/** How long a client rests at most, once in a while. */
export const restMs = 40_000
/** How long an adapter waits for an answer of the table. */
export const tableTimeoutMs = 500

/** The slowest clock of a process: it needs so much more true time for all that it waits for. */
export const clockRateMin = 0.9

/**
 * How long after a link to the table is whole again a node may still go on without having asked it: a request that was
 * sent before times out, its failure counts for a tick, and the next renewal and re-assertion are answered.
 */
export const noticeMs = (2 * tickMs + tableTimeoutMs) / clockRateMin
