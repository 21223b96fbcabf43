import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Ports are drawn below Linux's ephemeral range (32768–60999). A port inside that range could be given
 * to an outgoing connection while its server is being restarted, and a client that connects to it
 * then may even be connected to itself (TCP simultaneous open), which looks like a hung server.
 */
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const DRAWS_MAX = 200
/**
 * A port is not held between the draw and its use, and test files run side by side: each process draws from a share of
 * its own first, so that two of them rarely come upon the same.
 */
const SHARES = 20

/** Ports that this process has handed out: two parts that start side by side never get the same. */
const handedOut = new Set<number>()

/** Tells whether `port` can be bound on `host` now. Errors other than "taken" or "not allowed" throw. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(error)
    })
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/**
 * Returns a TCP port that is free on 127.0.0.1: `preferred` when it is free, else one drawn at random.
 * The port is not held: another process could take it before it is used.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && !handedOut.has(preferred) && (await isPortFree(preferred))) {
    handedOut.add(preferred)
    return preferred
  }
  for (let draw = 0; draw < DRAWS_MAX; draw += 1) {
    const port = draw < DRAWS_MAX / 2 ? portOfShare() : randomInt(PORT_MIN, PORT_MAX)
    if (handedOut.has(port)) continue
    handedOut.add(port)
    if (await isPortFree(port)) return port
  }
  throw new Error(`no free TCP port found between ${PORT_MIN} and ${PORT_MAX}`)
}

function portOfShare(): number {
  return PORT_MIN + SHARES * randomInt((PORT_MAX - PORT_MIN) / SHARES) + (process.pid % SHARES)
}
