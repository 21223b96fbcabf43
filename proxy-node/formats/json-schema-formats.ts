import { isIPv4, isIPv6 } from 'node:net'

/** The values of `format` that are checked, each with its check; any other only describes. */
export type CheckedFormats = Readonly<Record<string, (text: string) => boolean>>

/**
 * By RFC 3339, 1123, 3986, 5321 and 6901, as far as each can be told apart in one pass: none of them backtracks. Each
 * draft has those that the original's validator checks for it.
 */
export const formatsOfDraft4: CheckedFormats = {
  'date-time': text =>
    (text[10] === 'T' || text[10] === 't') && isDate(text.slice(0, 10)) && isTime(text.slice(11)),
  email: text => text.length <= 320 && /^[^\s@]+@[^\s@]+$/.test(text),
  hostname: text => text.length <= 253 && text.split('.').every(isHostLabel),
  ipv4: isIPv4,
  ipv6: text => isIPv6(text) && !text.includes('%'),
  uri: isUriReference,
}

export const formatsOfDraft6: CheckedFormats = {
  ...formatsOfDraft4,
  uri: text => /^[a-z][a-z0-9+.-]*:/i.test(text) && isUriReference(text),
  'uri-reference': isUriReference,
  'json-pointer': isJsonPointer,
}

export const formatsOfDraft7: CheckedFormats = {
  ...formatsOfDraft6,
  date: isDate,
  time: isTime,
  'relative-json-pointer': text => {
    const [up] = /^(?:0|[1-9]\d*)/.exec(text) ?? []
    return up !== undefined && (text.slice(up.length) === '#' || isJsonPointer(text.slice(up.length)))
  },
}

function isUriReference(text: string): boolean {
  return /^[^\s<>"{}|\\^`]*$/.test(text)
}

function isJsonPointer(text: string): boolean {
  return text === '' || (text.startsWith('/') && !/~(?![01])/.test(text))
}

function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (match === null) return false
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  // The last day of a month is day 0 of the next.
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}

function isTime(text: string): boolean {
  const match = /^(\d{2}):(\d{2}):(\d{2})(\.\d+)?(?:Z|[+-](\d{2}):(\d{2}))$/i.exec(text)
  if (match === null) return false
  const [hour, minute, second] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const [zoneHour, zoneMinute] = [Number(match[5] ?? 0), Number(match[6] ?? 0)]
  // 60 is a leap second.
  return hour < 24 && minute < 60 && second <= 60 && zoneHour < 24 && zoneMinute < 60
}

function isHostLabel(label: string): boolean {
  return label.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*)$/i.test(label) && !label.endsWith('-')
}
