import { RestError } from '../../../shared/errors/rest-error.ts'
import type { JsonLimits } from '../../../shared/rest/json-body.ts'
import { mediaTypes } from '../../../shared/rest/media-type.ts'
import { type ProduceBody, parseProduce } from '../../../shared/rest/v2-shapes.ts'
import type { FormatName } from '../../formats/format.ts'
import type { RecordOutcome } from '../../services/format-producer-batch.ts'
import { recordFailure } from '../../services/kafka-failures.ts'
import type { Produce, ProduceResult } from '../../services/produce.ts'
import type { Handlers, NodeRequest } from '../handler.ts'
import { pathInt } from './path-numbers.ts'

interface Deps {
  readonly produce: Pick<Produce, 'produce'>
  readonly limits: JsonLimits & { readonly recordsMax: number }
}

/** `POST /topics/{topic}` and `POST /topics/{topic}/partitions/{partition}` (contract v2 §2.8). */
export function produceHandlers(deps: Deps): Handlers {
  return {
    'produce-to-topic': request => produceTo(deps, request, null, 'arg2'),
    // The path is converted before the body is looked at (contract v2 §1.5).
    'produce-to-partition': async request =>
      produceTo(deps, request, pathInt(request.params['partition']), 'arg3'),
  }
}

/** The format by Content-Type, and what the original calls its handler in validation texts (contract v2 §3.4). */
const variants: Readonly<Record<string, { readonly format: FormatName; readonly handler: string }>> = {
  [mediaTypes.binary]: { format: 'binary', handler: 'produceBinary' },
  [mediaTypes.json]: { format: 'json', handler: 'produceJson' },
  [mediaTypes.avro]: { format: 'avro', handler: 'produceAvro' },
  [mediaTypes.jsonschema]: { format: 'jsonschema', handler: 'produceJsonSchema' },
  [mediaTypes.protobuf]: { format: 'protobuf', handler: 'produceProtobuf' },
}

async function produceTo(
  deps: Deps,
  request: NodeRequest,
  partition: number | null,
  argument: 'arg2' | 'arg3',
): Promise<Response> {
  // Without a Content-Type it is binary (contract v2 §1.4).
  const variant = variants[request.contentType ?? mediaTypes.binary]
  if (!variant) throw new RestError('unsupportedMediaType')
  const { format, handler } = variant
  const body = parseProduce(await request.body(), `${handler}.${argument}`, deps.limits)
  checkPartitions(body, partition, `${handler}.${argument}`)
  const topic = request.params['topic'] ?? ''
  const result = await deps.produce.produce({ format, topic, partition, body }, request.signal)
  return new Response(render(result), {
    status: statusOf(result.outcomes),
    headers: { 'Content-Type': request.contentTypeHeader },
  })
}

/**
 * A negative partition is refused before anything is sent. A deviation: the original sends the records before it, and
 * answers 500 / 500.
 */
function checkPartitions(body: ProduceBody, partition: number | null, argument: string): void {
  for (const [index, record] of body.records.entries()) {
    const chosen = record.partition ?? partition
    if (chosen === null || chosen >= 0) continue
    const field = record.partition === null ? 'partition' : `${argument}.records[${index}].partition`
    throw new RestError('validation', `${field} must be greater than or equal to 0 (was ${chosen})`)
  }
}

/** 401 or 403 by the first record that failed so; anything else is 200, however many failed (contract v2 §2.8). */
function statusOf(outcomes: readonly RecordOutcome[]): number {
  for (const outcome of outcomes) {
    if (!('error' in outcome)) continue
    const { status } = recordFailure(outcome.error)
    if (status) return status
  }
  return 200
}

/** By hand, since offsets are 64-bit integers, which JSON.stringify has no way to write. */
function render({ outcomes, keySchemaId, valueSchemaId }: ProduceResult): string {
  const offsets = outcomes.map(renderOutcome).join(',')
  return `{"offsets":[${offsets}],"key_schema_id":${keySchemaId},"value_schema_id":${valueSchemaId}}`
}

function renderOutcome(outcome: RecordOutcome): string {
  if (!('error' in outcome))
    return `{"partition":${outcome.partition},"offset":${outcome.offset},"error_code":null,"error":null}`
  const { errorCode, text } = recordFailure(outcome.error)
  return `{"partition":null,"offset":null,"error_code":${errorCode},"error":${JSON.stringify(text)}}`
}
