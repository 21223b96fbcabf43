import { RestError } from '../../shared/errors/rest-error.ts'
import type { CreateConsumerBody } from '../../shared/rest/v2-consumer-shapes.ts'
import type { FormatName } from '../formats/format.ts'

/** Where an instance starts to read a partition for which its group has committed nothing. */
export type ResetPolicy =
  | { readonly from: 'earliest' | 'latest' | 'none' }
  /** Kafka 4's `by_duration:PT1H`: the first record of the last `durationMs`. */
  | { readonly from: 'duration'; readonly durationMs: number }

/** The settings of one consumer instance, fixed at its creation. */
export interface InstanceSettings {
  readonly format: FormatName
  readonly autoOffsetReset: ResetPolicy
  readonly autoCommit: boolean
  /** A read answers once it has more than this many bytes; negative: at the time-out or the maximum only. */
  readonly fetchMinBytes: number
  readonly requestTimeoutMs: number
}

const formatNames: readonly string[] = ['binary', 'json', 'avro', 'jsonschema', 'protobuf']

/**
 * The embedded format of a create request, in any case of letters (contract v2 §2.9).
 * @throws RestError invalidFormat; invalidEmbeddedFormat for `string`, which the original accepts first and then fails on.
 */
export function formatOf(text: string | null): FormatName {
  const name = (text ?? 'binary').toLowerCase()
  if (name === 'string') throw new RestError('invalidEmbeddedFormat')
  if (formatNames.includes(name)) return name as FormatName
  throw new RestError('invalidFormat')
}

const fetchMinBytesMin = -1
const fetchMinBytesMax = 10_000_000

/**
 * The settings that a create request asks for, over the node's defaults. The checks come in the original's order:
 * its own constraints first, then what the Kafka consumer refuses.
 * @throws RestError invalidFormat, consumerConfigOutOfRange, invalidConsumerConfig.
 */
export function instanceSettings(
  body: CreateConsumerBody,
  defaults: Omit<InstanceSettings, 'format'>,
): InstanceSettings {
  const format = formatOf(body.format)
  const fetchMinBytes = body.fetchMinBytes ?? defaults.fetchMinBytes
  if (fetchMinBytes > fetchMinBytesMax || fetchMinBytes < fetchMinBytesMin) {
    const bound =
      fetchMinBytes > fetchMinBytesMax ? `no more than ${fetchMinBytesMax}` : `at least ${fetchMinBytesMin}`
    throw new RestError(
      'consumerConfigOutOfRange',
      `Invalid value ${fetchMinBytes} for configuration fetch.min.bytes: Value must be ${bound}`,
    )
  }
  const { autoCommitEnable, autoOffsetReset } = body
  const commitProblem =
    autoCommitEnable === null ? undefined : booleanProblem(autoCommitEnable, 'enable.auto.commit')
  if (commitProblem !== undefined) throw new RestError('invalidConsumerConfig', commitProblem)
  const reset =
    autoOffsetReset === null
      ? { policy: defaults.autoOffsetReset }
      : resetPolicyOf(autoOffsetReset, 'auto.offset.reset')
  if ('problem' in reset) throw new RestError('invalidConsumerConfig', reset.problem)
  return {
    format,
    autoOffsetReset: reset.policy,
    autoCommit:
      autoCommitEnable === null ? defaults.autoCommit : autoCommitEnable.trim().toLowerCase() === 'true',
    fetchMinBytes,
    requestTimeoutMs: Math.max(0, body.requestTimeoutMs ?? defaults.requestTimeoutMs),
  }
}

/** What Kafka's consumer says of a value of `key` that is no boolean, or undefined. */
export function booleanProblem(text: string, key: string): string | undefined {
  if (/^\s*(true|false)\s*$/i.test(text)) return undefined
  return `Invalid value ${text} for configuration ${key}: Expected value to be either true or false`
}

/** Reads `auto.offset.reset`, case-sensitive as in Kafka: earliest, latest, none, by_duration:<ISO-8601 duration>. `key` is for the text of the problem. */
export function resetPolicyOf(text: string, key: string): { policy: ResetPolicy } | { problem: string } {
  if (text === 'earliest' || text === 'latest' || text === 'none') return { policy: { from: text } }
  const durationMs = text.startsWith('by_duration:')
    ? isoDurationMs(text.slice('by_duration:'.length))
    : undefined
  if (durationMs !== undefined) return { policy: { from: 'duration', durationMs } }
  return {
    problem:
      `Invalid value ${text} for configuration ${key}: ` +
      `must be earliest, latest, none or by_duration:<ISO-8601 duration>`,
  }
}

/** `PnDTnHnMn.nS` in ms; undefined for anything else and for negative durations, which Kafka refuses too. */
function isoDurationMs(text: string): number | undefined {
  const parts =
    /^P(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,9})?)S)?)?$/i.exec(text)
  if (parts === null || text.length < 3) return undefined
  const [days, hours, minutes, seconds] = parts.slice(1).map(part => Number(part ?? 0))
  return Math.round(
    (((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60_000 + (seconds ?? 0) * 1000,
  )
}
