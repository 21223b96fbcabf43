import { type ServerResponse, STATUS_CODES } from 'node:http'
import { type RestErrorName, type RestErrorRow, restErrors } from '../errors/rest-errors.ts'

/** Answers a request that the app shall not see, or not go on with, and closes its connection. */
export function refuse(outgoing: ServerResponse, name: RestErrorName): void {
  if (outgoing.headersSent || outgoing.destroyed) return
  const row: RestErrorRow = restErrors[name]
  const body = bodyOf(row)
  outgoing.writeHead(row.status, { ...row.headers, ...ownHeaders(body) })
  outgoing.end(body)
}

/** The same answer as bytes, for a connection on which there is no request to answer. */
export function refusalBytes(name: RestErrorName): string {
  const row: RestErrorRow = restErrors[name]
  const body = bodyOf(row)
  const headers = { ...row.headers, ...ownHeaders(body) }
  const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`)
  return `HTTP/1.1 ${row.status} ${STATUS_CODES[row.status]}\r\n${lines.join('')}\r\n${body}`
}

const bodyOf = (row: RestErrorRow) => JSON.stringify({ error_code: row.errorCode, message: row.message })

function ownHeaders(body: string): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }
}
