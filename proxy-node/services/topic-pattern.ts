import { RE2JS, RE2JSException } from 're2js'
import { RestError } from '../../shared/errors/rest-error.ts'

/** The longest pattern that is compiled. */
const patternLengthMax = 1000
/** The largest program that a pattern may become: a name is tested in time that is proportional to it. */
const programSizeMax = 1500
/** What reading a Unicode class costs in the same unit, and what a character class may cost that is repeated then. */
const unicodeClassCost = 100
const unicodeClassRepeatedCost = 4
/** What a range costs that may span all of Unicode and whose case does not count: each of its characters is looked at. */
const foldedRangeCost = 400

/** A subscription's regular expression over topic names. */
export interface TopicPattern {
  readonly text: string
  /**
   * Makes a test for whether a whole name matches. Not to be kept: a test that has seen many names may hold megabytes.
   */
  tester(): (name: string) => boolean
}

/**
 * Compiles a `topic_pattern` (contract v2 §2.11). The original takes Java's syntax; this engine runs in linear time,
 * since the pattern comes from a client and is run over every topic name again and again. What such an engine cannot
 * express (back references, look-around, possessive quantifiers) is refused like an invalid expression, and so is what
 * becomes too large when its repetitions are written out.
 * @throws RestError validation.
 */
export function compileTopicPattern(text: string): TopicPattern {
  if (text.length > patternLengthMax)
    throw invalid(`must not be longer than ${patternLengthMax} characters (was ${text.length})`)
  const size = programSize(text)
  if (size > programSizeMax)
    throw invalid(`must not be larger than ${programSizeMax} with its repetitions written out (was ${size})`)
  try {
    compile(text)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw invalid(
      `is not a regular expression that can be used here: ${error.message.replace(`|${text}`, () => text)}`,
    )
  }
  return {
    text,
    tester: () => {
      const compiled = compile(text)
      return name => name !== '' && compiled.testExact(name)
    },
  }
}

/**
 * Or nothing: no topic has an empty name. Without the alternative the engine would prepare a pattern that begins with
 * `^` in a way whose time is not linear: half a second for 900 characters.
 */
function compile(text: string): RE2JS {
  return RE2JS.compile(`|${text}`)
}

/**
 * About the size of the program that a pattern is compiled to (half of it at least), with what is slow to be read
 * weighed in; found without compiling it. A count repeats what stands before it: one character or class, or a group.
 * Where a group begins is not looked for, since reading that otherwise than the engine could be exploited: everything
 * before its end counts as repeated.
 */
function programSize(text: string): number {
  const unicodeClasses = text.split(/\\p/i).length - 1
  const foldedRanges = ignoresCase.test(text) ? text.split(wideCharacter).length - 1 : 0
  let size = unicodeClasses * unicodeClassCost + foldedRanges * foldedRangeCost
  let counted = 0
  for (const { 0: count, index, 1: least = '', 2: open, 3: most = '' } of text.matchAll(repetition)) {
    size += index - counted
    counted = index + count.length
    const before = text.slice(0, index)
    // An empty quotation, and flags in parentheses, repeat what is before them.
    const isGroup = before.endsWith(')') || before.endsWith('\\E')
    const repeated = isGroup ? size : unicodeClasses > 0 ? unicodeClassRepeatedCost : 1
    const times = Math.max(1, Number(most || least))
    const optional = open === undefined ? 0 : Math.max(1, times - Number(least))
    size += times * repeated + optional
  }
  return size + text.length - counted
}

const repetition = /\{(\d+)(,)?(\d*)\}/g
const ignoresCase = /\(\?[imsU-]*i/
const wideCharacter = /[^\0-\x7f]|\\x\{/

function invalid(problem: string): RestError {
  return new RestError('validation', `subscribe.arg3.topic_pattern ${problem}`)
}
