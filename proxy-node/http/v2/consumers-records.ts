import type { Clock } from '../../../shared/clock.ts'
import { RestError } from '../../../shared/errors/rest-error.ts'
import { internalHeaders } from '../../../shared/http/internal-headers.ts'
import { mediaTypes } from '../../../shared/rest/media-type.ts'
import type { FormatName } from '../../formats/format.ts'
import type { Handler } from '../handler.ts'
import { type ConsumerHandlerDeps, callOf, heldInstance } from './consumers-lookup.ts'
import { followDelivery } from './read-delivery.ts'

export interface RecordsHandlerDeps extends ConsumerHandlerDeps {
  readonly clock: Clock
  /** `response.write.timeout.ms`. */
  readonly writeTimeoutMs: number
}

/**
 * GET …/records (contract v2 §2.14). The answer is streamed: its head goes out with the first record or at the end of
 * the wait, so everything that fails before is an error of its own. HEAD reads nothing: the original drops the records
 * that it reads for one.
 */
export function consume(deps: RecordsHandlerDeps): Handler {
  return async request => {
    const { incoming, query } = request
    const timeoutMs = integer(query.get('timeout'))
    const maxBytes = integer(query.get('max_bytes'))
    const instance = await heldInstance(deps, request)
    if (!fits(instance.settings.format, request.responseType)) throw new RestError('formatMismatch')
    const headers = { 'Content-Type': request.contentTypeHeader }
    if (incoming.method === 'HEAD') return new Response(null, { headers })
    const outcome = followDelivery(request, { clock: deps.clock, lingerMs: deps.writeTimeoutMs })
    const bytes = await instance.read({ timeoutMs, maxBytes, outcome }, callOf(request))
    const readId = request.gateway === undefined ? {} : { [internalHeaders.readId]: outcome.id }
    return new Response(streamOf(bytes), { headers: { ...headers, ...readId } })
  }
}

/** A body that reads no further than its client takes, and gives up what it holds when the client is gone. */
function streamOf(bytes: AsyncGenerator<Buffer, void>): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await bytes.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await bytes.return()
      },
    },
    { highWaterMark: 0 },
  )
}

/** A whole number of the query; blank is absent, anything else is 404 (contract v2 §2.14). */
function integer(text: string | null): number | undefined {
  if (text === null || text === '') return undefined
  const inRange =
    /^[+-]?\d{1,19}$/.test(text) &&
    BigInt.asIntN(64, BigInt(text.replace('+', ''))) === BigInt(text.replace('+', ''))
  if (!inRange) throw new RestError('notFound')
  return Number(text)
}

/**
 * Whether an instance's format can answer with a type. The original has three kinds of readers: binary, JSON, and one for
 * all schema formats, so an Avro instance may be read as any of these (contract v2 §2.14).
 */
function fits(format: FormatName, type: string): boolean {
  switch (type) {
    case mediaTypes.binary:
    case mediaTypes.v2:
      return format === 'binary'
    case mediaTypes.json:
      return format === 'json'
    default:
      return format !== 'binary' && format !== 'json'
  }
}
