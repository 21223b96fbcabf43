import { connect } from 'node:net'

const METADATA_API_KEY = 3
const METADATA_VERSION = 1
const CORRELATION_ID = 7
const PROBE_TIMEOUT_MS = 2_000
/** A single broker's answer without topics is under 100 bytes. */
const ANSWER_BYTES_MAX = 64 * 1024

/** A Metadata request v1 that asks for no topic: header v1 (null client id), then an empty array. */
export function metadataRequest(): Buffer {
  const request = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 4)
  request.writeInt32BE(request.length - 4, 0)
  request.writeInt16BE(METADATA_API_KEY, 4)
  request.writeInt16BE(METADATA_VERSION, 6)
  request.writeInt32BE(CORRELATION_ID, 8)
  request.writeInt16BE(-1, 12)
  request.writeInt32BE(0, 14)
  return request
}

/** The number of brokers in the answer, or undefined while it is not complete. */
export function brokerCount(answer: Buffer): number | undefined {
  if (answer.length < 12 || answer.length < 4 + answer.readInt32BE(0)) return undefined
  return answer.readInt32BE(4) === CORRELATION_ID ? answer.readInt32BE(8) : 0
}

/**
 * Tells whether a Kafka broker on 127.0.0.1 answers a metadata request and lists a broker, which it does
 * only after its registration with the controller: from then on topics can be created. Never rejects.
 */
export function kafkaAnswers(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host })
    let answer = Buffer.alloc(0)
    const finish = (ready: boolean) => {
      socket.destroy()
      resolve(ready)
    }
    socket.setTimeout(PROBE_TIMEOUT_MS, () => finish(false))
    socket.once('connect', () => socket.write(metadataRequest()))
    socket.on('data', chunk => {
      answer = Buffer.concat([answer, chunk])
      const brokers = brokerCount(answer)
      if (brokers !== undefined) finish(brokers > 0)
      else if (answer.length > ANSWER_BYTES_MAX) finish(false)
    })
    socket.once('error', () => finish(false))
    socket.once('close', () => finish(false))
  })
}
