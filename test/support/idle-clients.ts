/**
 * Clients in a process of their own that open many connections and leave them idle: `idle-clients.ts URL COUNT`.
 * Prints `open` when all are open, and ends, with its connections, when its standard input does.
 */
import { connect, type Socket } from 'node:net'

const [, , base = '', count = '0'] = process.argv
const { hostname, port } = new URL(base)
const request = `GET /nothing HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`
const sockets: Socket[] = []
let failed = 0

/** A connection that was used once, as a pool keeps it. */
function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(request))
    sockets.push(socket)
    socket.once('data', () => resolve())
    socket.once('error', reject)
    socket.once('close', () => {
      failed++
    })
  })
}

while (sockets.length < Number(count)) {
  const batch = Math.min(100, Number(count) - sockets.length)
  await Promise.all(Array.from({ length: batch }, open))
}
console.log('open')
process.stdin.on('data', () => console.log(String(failed)))
process.stdin.on('end', () => process.exit())
