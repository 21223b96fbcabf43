import { constants, createGzip, type Gzip } from 'node:zlib'
import type { SettingRow, SettingsOf } from '../settings/row.ts'
import { type BodyStart, startOfBody } from './body-start.ts'

/** Settings of compressed answers. The tier that makes the answers spreads them. */
export const compressionSettings = [
  {
    key: 'compression.enable',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether answers are compressed with gzip for clients that say Accept-Encoding: gzip.',
  },
  {
    key: 'compression.streams.max',
    kind: 'int',
    default: '128',
    min: 1,
    doc: 'Answers that are being compressed at once (about 256 KiB each); the others go as they are.',
  },
] as const satisfies readonly SettingRow[]

export type CompressionSettings = SettingsOf<typeof compressionSettings>

/** Bounds the answers that are compressed at once. */
export class Compression {
  readonly #streamsMax: number
  #streams = 0

  constructor(options: { readonly streamsMax: number }) {
    this.#streamsMax = options.streamsMax
  }

  /** Answers that are being compressed now. */
  get streams(): number {
    return this.#streams
  }

  /** @returns what gives the place back, or undefined when all are taken. */
  take(): (() => void) | undefined {
    if (this.#streams >= this.#streamsMax) return undefined
    this.#streams++
    let held = true
    return () => {
      if (held) this.#streams--
      held = false
    }
  }
}

/** Smaller bodies fit in one packet anyway. */
const bytesMin = 1024
/**
 * How much of a body is compressed at a time, so that a large one neither waits as a whole nor is held twice.
 */
const sliceBytes = 64 * 1024

/**
 * The same answer, compressed when the client accepts it and the body is worth it. A streamed body is flushed
 * with each part, so that a client sees records as early as without compression.
 * @param acceptEncoding the request's header.
 * @throws what the body's source throws at once.
 */
export async function compressed(
  response: Response,
  acceptEncoding: string | undefined,
  compression: Compression,
): Promise<Response> {
  const { body } = response
  if (!body || !isCompressible(response.headers)) return response
  const { headers, status } = response
  headers.append('Vary', 'Accept-Encoding')
  if (!acceptsGzip(acceptEncoding)) return response
  const start = await startOfBody(body)
  const isSmall = start.whole && (start.first?.length ?? 0) < bytesMin
  const release = isSmall ? undefined : compression.take()
  if (!release) return new Response(partsOf(start), { status, headers })
  headers.set('Content-Encoding', 'gzip')
  headers.delete('Content-Length')
  return new Response(gzipped(start, release), { status, headers })
}

/**
 * Whether gzip is among the codings that a client accepts, and no worse to it than none (RFC 9110 §12.5.3).
 */
export function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined) return false
  const qualities = new Map<string, number>()
  for (const item of header.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = item.split(';').map(part => part.trim())
    const quality = parameters.find(parameter => parameter.startsWith('q='))
    qualities.set(coding, quality === undefined ? 1 : Number(quality.slice(2)) || 0)
  }
  const gzip = qualities.get('gzip') ?? qualities.get('x-gzip') ?? qualities.get('*') ?? 0
  return gzip > 0 && gzip >= (qualities.get('identity') ?? 0)
}

function isCompressible(headers: Headers): boolean {
  if (headers.has('content-encoding') || headers.get('cache-control')?.includes('no-transform')) return false
  return /^text\/|[/+]json\b/i.test(headers.get('content-type') ?? '')
}

/** The parts of a body that was begun, as a stream again. */
function partsOf(start: BodyStart): ReadableStream<Uint8Array> {
  const parts = slices(start)
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await parts.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: reason => start.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

function gzipped(start: BodyStart, release: () => void): ReadableStream<Uint8Array> {
  const gzip = new GzipParts()
  const parts = slices(start)
  const end = () => {
    gzip.destroy()
    release()
  }
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await parts.next()
          controller.enqueue(await (done ? gzip.end() : gzip.add(value)))
          if (!done) return
          controller.close()
          end()
        } catch (error) {
          end()
          throw error
        }
      },
      cancel(reason) {
        start.cancel(reason)
        end()
      },
    },
    { highWaterMark: 0 },
  )
}

async function* slices({ first, whole, next }: BodyStart): AsyncGenerator<Uint8Array, void> {
  const rest = async () => (whole ? undefined : next())
  for (let part = first ?? (await rest()); part; part = await rest()) {
    for (let at = 0; at < part.length; at += sliceBytes) yield part.subarray(at, at + sliceBytes)
  }
}

/** gzip, part by part: what comes out for each part that goes in. */
class GzipParts {
  readonly #gzip: Gzip = createGzip({ flush: constants.Z_SYNC_FLUSH })
  #out: Buffer[] = []

  constructor() {
    this.#gzip.on('data', (chunk: Buffer) => this.#out.push(chunk))
    // Told by the callback of the write that failed.
    this.#gzip.on('error', () => {})
  }

  add(part: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#gzip.write(part, error => (error ? reject(error) : resolve(this.#taken())))
    })
  }

  end(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#gzip.once('error', reject)
      this.#gzip.once('end', () => resolve(this.#taken()))
      this.#gzip.end()
    })
  }

  destroy(): void {
    this.#gzip.destroy()
  }

  #taken(): Uint8Array {
    const out = Buffer.concat(this.#out)
    this.#out = []
    return out
  }
}
