import { isUtf8 } from 'node:buffer'
import { UndecodableRecord } from './format.ts'

/**
 * The first JSON value of stored bytes, as its source text. It is checked but not printed anew: that would reorder
 * integer-like keys, rewrite 1.10, 1e3 and −0, and lose integers beyond 2^53. Bytes after the value are ignored,
 * as in the original (contract v2 §6.2).
 * @throws UndecodableRecord when the bytes are not UTF-8 or do not begin with a JSON value.
 */
export function storedJsonText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new UndecodableRecord('the record is not valid JSON: it is not UTF-8')
  const text = bytes.toString('utf8')
  if (isJson(text)) return text
  const first = firstValue(text)
  if (first !== undefined && isJson(first)) return first
  const why = text.trim() === '' ? 'it is empty' : 'it does not begin with a JSON value'
  throw new UndecodableRecord(`the record is not valid JSON: ${why}`)
}

/** JSON text without its insignificant blank space; text that is no JSON comes back as it is. */
export function compactJson(text: string): string {
  return isJson(text) ? text.replace(blankOutsideStrings, '$1') : text
}

const blankOutsideStrings = /("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\n\r]+/g

/** The deepest level of nesting in JSON text, without parsing it; text that is no JSON gives some number. */
export function jsonDepth(text: string): number {
  let depth = 0
  let deepest = 0
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === quote) index = stringEnd(text, index) - 1
    else if (char === openBrace || char === openBracket) deepest = Math.max(deepest, ++depth)
    else if (char === closeBrace || char === closeBracket) depth--
  }
  return deepest
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/**
 * Cuts the first value out of text that is not one JSON value as a whole: finds where it would end, in one pass
 * and without recursion. Whether the cut is a value is for the parser to say.
 */
function firstValue(text: string): string | undefined {
  let start = text.charCodeAt(0) === 0xfeff ? 1 : 0
  while (start < text.length && ' \t\n\r'.includes(text.charAt(start))) start++
  const first = text.charAt(start)
  if (first === '"') return text.slice(start, stringEnd(text, start))
  if (first === '{' || first === '[') return text.slice(start, containerEnd(text, start))
  // A literal ends where its letters end; a number must be followed by blank space, so that 12abc is no 12.
  scalar.lastIndex = start
  return scalar.exec(text)?.[0]
}

const scalar = /[a-z]+|[-+.0-9eE]+(?=[ \t\n\r]|$)/y

/** The index after the string's closing quote, or the text's length. */
function stringEnd(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === backslash) index++
    else if (char === quote) return index + 1
  }
  return text.length
}

function containerEnd(text: string, start: number): number {
  let depth = 0
  for (let index = start; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === quote) index = stringEnd(text, index) - 1
    else if (char === openBrace || char === openBracket) depth++
    else if (char === closeBrace || char === closeBracket) {
      depth--
      if (depth === 0) return index + 1
    }
  }
  return text.length
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
