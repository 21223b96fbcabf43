import { RE2JS, RE2JSException } from 're2js'
import { RestError } from '../../shared/errors/rest-error.ts'

/** The longest pattern that is compiled: repetitions can make a program far larger than its text. */
const patternLengthMax = 1000

/** A subscription's regular expression over topic names. */
export interface TopicPattern {
  readonly text: string
  /** The names that match as a whole, sorted. */
  matching(names: Iterable<string>): string[]
}

/**
 * Compiles a `topic_pattern` (contract v2 §2.11). The original takes Java's syntax; this engine runs in linear time,
 * since the pattern comes from a client and is run over every topic name again and again. What such an engine cannot
 * express (back references, look-around, possessive quantifiers) is refused like an invalid expression.
 * @throws RestError validation.
 */
export function compileTopicPattern(text: string): TopicPattern {
  if (text.length > patternLengthMax)
    throw invalid(`must not be longer than ${patternLengthMax} characters (was ${text.length})`)
  try {
    const compiled = RE2JS.compile(text)
    return {
      text,
      matching: names => [...names].filter(name => compiled.testExact(name)).sort(),
    }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw invalid(`is not a regular expression that can be used here: ${error.message}`)
  }
}

function invalid(problem: string): RestError {
  return new RestError('validation', `subscribe.arg3.topic_pattern ${problem}`)
}
