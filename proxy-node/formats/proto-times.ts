import { UnrenderableRecord } from './format.ts'
import { badValue, shown } from './proto-scalars.ts'

/** Seconds and nanoseconds of a google.protobuf.Timestamp or Duration. */
export interface ProtoTime {
  readonly seconds: number
  readonly nanos: number
}

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, and 10,000 years: what the types may hold.
const secondsMin = -62135596800
const secondsMax = 253402300799
const durationSecondsMax = 315576000000

const timestampText = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/

/** Ms since 1970 of a time in UTC; NaN for one that is not in the calendar, which Date.parse takes for a later one. */
function utcMs(text: string): number {
  const ms = Date.parse(`${text}Z`)
  return Number.isFinite(ms) && new Date(ms).toISOString().startsWith(text) ? ms : Number.NaN
}

/** Ms to take off a local time with this offset. */
function offsetMs(text: string): number {
  if (text === 'Z') return 0
  const ms = (Number(text.slice(1, 3)) * 60 + Number(text.slice(4, 6))) * 60_000
  return text.startsWith('-') ? -ms : ms
}

/** @throws RestError badPayload */
export function parseTimestamp(json: unknown): ProtoTime {
  const match = typeof json === 'string' ? timestampText.exec(json) : null
  const seconds = match === null ? Number.NaN : (utcMs(match[1] ?? '') - offsetMs(match[3] ?? 'Z')) / 1000
  if (!(seconds >= secondsMin && seconds <= secondsMax))
    throw badValue(`Failed to parse timestamp: ${shown(json)}`)
  return { seconds, nanos: nanosOf(match?.[2]) }
}

export function timestampJson({ seconds, nanos }: ProtoTime): string {
  if (!(seconds >= secondsMin && seconds <= secondsMax && nanos >= 0 && nanos < 1e9)) {
    throw new UnrenderableRecord('Protobuf', 'a Timestamp is out of range')
  }
  return `"${new Date(seconds * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z"`
}

/** @throws RestError badPayload */
export function parseDuration(json: unknown): ProtoTime {
  const match = typeof json === 'string' ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json) : null
  const size = Number(match?.[2] ?? Number.NaN)
  if (match === null || !(size <= durationSecondsMax))
    throw badValue(`Failed to parse duration: ${shown(json)}`)
  const sign = match[1] === '-' ? -1 : 1
  return { seconds: size * sign, nanos: nanosOf(match[3]) * sign }
}

export function durationJson({ seconds, nanos }: ProtoTime): string {
  const sameSign = seconds === 0 || nanos === 0 || seconds < 0 === nanos < 0
  if (Math.abs(seconds) > durationSecondsMax || Math.abs(nanos) >= 1e9 || !sameSign) {
    throw new UnrenderableRecord('Protobuf', 'a Duration is out of range')
  }
  const sign = seconds < 0 || nanos < 0 ? '-' : ''
  return `"${sign}${Math.abs(seconds)}${fraction(Math.abs(nanos))}s"`
}

function nanosOf(digits: string | undefined): number {
  return Number((digits ?? '').padEnd(9, '0'))
}

/** None, 3, 6 or 9 digits. */
function fraction(nanos: number): string {
  if (nanos === 0) return ''
  const digits = `${nanos}`.padStart(9, '0')
  if (digits.endsWith('000000')) return `.${digits.slice(0, 3)}`
  return digits.endsWith('000') ? `.${digits.slice(0, 6)}` : `.${digits}`
}
