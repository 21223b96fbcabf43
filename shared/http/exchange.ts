import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Timer } from '../clock.ts'
import type { RestErrorName } from '../errors/rest-errors.ts'
import { isBodyHeld, isLongBody } from './body-admission.ts'
import { headBytes } from './head-rules.ts'

/** One request and its answer. */
export interface Exchange {
  readonly connection: Connection
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** Bytes that the connection had received when the head was complete. */
  readonly bytesBefore: number
  /** Bytes that the connection had received when it was last idle; undefined for a pipelined request. */
  readonly bytesAtIdle: number | undefined
  bodyTimer: Timer | undefined
  /** Answered here, so that the app shall not see it. */
  refused: boolean
  /** The connection ends with its answer. */
  last: boolean
  over: boolean
}

export interface Connection {
  readonly socket: Socket
  /** Over the limit: its first request is refused. */
  readonly excess: boolean
  /** Begun and not yet answered to the end, in their order. Only the first is being served. */
  readonly exchanges: Exchange[]
  /** Bytes received when the last answer was complete. */
  bytesAtIdle: number
  /** What still comes in is ignored. */
  deaf: boolean
  /** Why nothing more can be read from it. */
  failure: RestErrorName | undefined
  /** The failure is still to be told, after the answers that come before it. */
  failureUntold: boolean
  lingering: boolean
}

/** Bytes of an unread body that are worth reading to keep the connection. */
const bodyRestMax = 64 * 1024

/** The client's address and port. */
export const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

/**
 * Whether more of a request's body is to come than is worth reading: then the answer announces the end of its
 * connection, so that the client can stop. What is less is read by the server and dropped.
 */
export function isBodyLeft({ incoming, bytesBefore }: Exchange): boolean {
  if (incoming.complete) return false
  if (incoming.headers['transfer-encoding'] !== undefined) return true
  const received = incoming.socket.bytesRead - bytesBefore
  return Number(incoming.headers['content-length'] ?? 0) - received > bodyRestMax
}

/** Whether a request announces a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined
}

/** The client owes bytes of a body, we would take them, and none come. */
export function isClientSilent({ incoming }: Exchange): boolean {
  if (incoming.complete || incoming.readableLength > 0) return false
  return !isBodyHeld(incoming) && !isLongBody(incoming)
}

/** The client ended its side in the middle of a request. */
export const isEnd = ({ code }: NodeJS.ErrnoException): boolean => code === 'HPE_INVALID_EOF_STATE'

/** The answer to what Node's server gave up on; undefined where there is nobody left to be answered. */
export function failureRow(code: string | undefined): RestErrorName | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headTooLarge'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'requestTimeout'
  return code?.startsWith('HPE_') ? 'badFraming' : undefined
}

/** Whether a client offers to go on with another protocol, as Java's does with each request. */
export const offersUpgrade = ({ headers }: IncomingMessage): boolean => headers.upgrade !== undefined

/**
 * Whether bytes may have come in with a request that offers an upgrade, beyond the request itself. Node's
 * parser stops after such a request, and drops what else was in the same packet: the start of the next
 * request, whose rest would then be read as a request of its own. So the connection is kept only if the bytes
 * are just those of this request as clients write it, with one blank after each colon.
 */
export function mayHaveLostBytes(exchange: Exchange): boolean {
  const { incoming, bytesAtIdle } = exchange
  if (!offersUpgrade(incoming)) return false
  if (bytesAtIdle === undefined || incoming.headers['transfer-encoding'] !== undefined) return true
  const bytes = headBytes(incoming) + Number(incoming.headers['content-length'] ?? 0)
  return incoming.socket.bytesRead - bytesAtIdle > bytes
}
