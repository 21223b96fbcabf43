import type { LocalTier } from '../../infra/local/tier.ts'
import { http } from '../support/http-client.ts'
import { until } from '../support/until.ts'
import type { BenchServices } from './bench-services.ts'
import { requestText } from './http-request.ts'
import { type BenchFormat, produceBody, recordType, registeringBody } from './payloads.ts'

/** Partitions of the topics that are produced to. */
export const PARTITIONS = 8

/** Each format has a topic of its own, since subjects of schemas are named by topic. */
const topicOf = (format: BenchFormat): string => `bench-${format}`

/** Runs `work` while the topics of the formats exist. */
export async function withFormatTopics<T>(
  services: BenchServices,
  [first, ...rest]: readonly BenchFormat[],
  work: () => Promise<T>,
): Promise<T> {
  if (!first) return work()
  const topic = { name: topicOf(first), partitions: PARTITIONS }
  return services.withTopic(topic, () => withFormatTopics(services, rest, work))
}

/** The id of the format's schema, which a first request registers; undefined for a format without schemas. */
export async function schemaIdOf(node: LocalTier, format: BenchFormat): Promise<number | undefined> {
  const body = registeringBody(format)
  if (body === undefined) return undefined
  const headers = { 'Content-Type': recordType(format) }
  const path = `/topics/${topicOf(format)}`
  // The first call to a fresh registry may take longer than a node waits for one.
  const answer = await until('the schema to be registered', async () => {
    const { status, text, json } = await http({ base: node.url, path, method: 'POST', headers, body })
    if (status !== 200) throw new Error(`${status} ${text}`)
    return { json }
  })
  return (answer.json() as { value_schema_id: number }).value_schema_id
}

/** A produce request as the load generator sends it. */
export function produceRequest(format: BenchFormat, batch: number, schemaId: number | undefined): string {
  return requestText({
    method: 'POST',
    path: `/topics/${topicOf(format)}`,
    contentType: recordType(format),
    body: produceBody(format, batch, schemaId),
  })
}
