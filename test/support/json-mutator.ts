/** JSON text that no JavaScript value stands for. */
class RawJson {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const raw = (text: string) => new RawJson(text)

/** Values that programs get wrong, whatever was there before. */
const oddities: readonly unknown[] = [
  null,
  true,
  false,
  '',
  ' ',
  '\t',
  'abc',
  'a b',
  '..',
  '%00',
  '-1',
  '1.5',
  '1e3',
  'null',
  '\0',
  '\ufeff',
  '\u202e',
  '💩',
  '\ud800',
  'ä'.repeat(200),
  'x'.repeat(5000),
  "'; --",
  '{{7*7}}',
  '<script>',
  '\r\nX-A: b',
  '(a+)+$',
  '[',
  '(?=a)',
  'a{1000}{1000}',
  'by_duration:PT1H',
  'earliest',
  'STRING',
  'JSON',
  '2024-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999+18:00',
  '+262143-01-01T00:00Z',
  0,
  -0,
  1,
  -1,
  1.5,
  -1.5,
  255,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  1e21,
  1e-300,
  [],
  [[]],
  [null],
  {},
  { '': null },
  { topic: 't' },
  { topic: [], partition: {} },
  raw('9223372036854775807'),
  raw('9223372036854775808'),
  raw('-9223372036854775809'),
  raw('1e400'),
  raw('-1e400'),
  raw('-0'),
  raw('9'.repeat(400)),
  raw(`0.${'1'.repeat(400)}`),
  raw('1E+2'),
  raw('"\\u0000"'),
  raw('"\\ud800\\ud800"'),
  raw(`${'['.repeat(100)}${']'.repeat(100)}`),
  raw(`${'['.repeat(300)}${']'.repeat(300)}`),
  raw(`${'{"a":'.repeat(260)}1${'}'.repeat(260)}`),
  raw('{"__proto__":{"polluted":true}}'),
  raw('{"constructor":{"prototype":{"polluted":true}}}'),
  raw('{"toJSON":1,"valueOf":2}'),
]

const names = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'Records',
  'records ',
  'name\0',
  '💩',
  'x'.repeat(2000),
  'id',
  'topics',
  'offset',
]

/** Pieces that break a text. */
const splinters = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  '\0',
  '\x80',
  '\xff',
  '//',
  '/*',
  'NaN',
  "'",
  ' ',
  '\n',
  '1',
  '-',
  'e',
  '\xef\xbb\xbf',
]

type Step = string | number

/**
 * Repeated values take no more characters than this: repetitions of repetitions came to 68 MB now and then, and a body
 * of that size takes hundreds of megabytes while it is parsed. Tests of the limits have the large bodies.
 */
const repeatedLengthMax = 2 ** 20

/** Changes JSON values and their text at random places. */
export class JsonMutator {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** The text of a value after up to three changes; one in four is not changed. */
  bytes(value: unknown): Buffer {
    let changed = structuredClone(value)
    const changes = this.#below(4)
    for (let change = 0; change < changes; change++) changed = this.#change(changed)
    const text = Buffer.from(this.#render(changed), 'utf8')
    return this.#below(6) === 0 ? this.#splintered(text) : text
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#below(choices.length)]
    // Null is among the choices; nothing else is missing.
    return choice as T
  }

  /** Walks to a random place and changes it. */
  #change(root: unknown): unknown {
    const path: Step[] = []
    let here = root
    while (isContainer(here) && this.#below(4) > 0) {
      const keys: Step[] = Array.isArray(here) ? [...here.keys()] : Object.keys(here)
      if (keys.length === 0) break
      const step = this.#pick(keys)
      path.push(step)
      here = childOf(here, step)
    }
    return this.#replaced(root, path)
  }

  #replaced(root: unknown, path: readonly Step[]): unknown {
    const [step, ...rest] = path
    if (step === undefined || !isContainer(root)) return this.#other(root)
    if (rest.length === 0 && this.#below(4) === 0) return this.#without(root, step)
    const child = this.#replaced(childOf(root, step), rest)
    if (Array.isArray(root)) return root.map((each, index) => (index === step ? child : each))
    return { ...root, [step]: child }
  }

  #without(root: object, step: Step): unknown {
    if (Array.isArray(root)) return root.filter((_, index) => index !== step)
    const { [step]: gone, ...rest } = root as Record<Step, unknown>
    return this.#below(2) === 0 ? rest : { ...rest, [this.#pick(names)]: gone }
  }

  /** Something else in the place of a value. */
  #other(value: unknown): unknown {
    switch (this.#below(6)) {
      case 0:
        return [value]
      case 1:
        return { a: value }
      case 2:
        return Array.isArray(value) ? this.#repeated(value[0]) : this.#render(value)
      case 3:
        return isContainer(value) && !Array.isArray(value)
          ? { ...value, [this.#pick(names)]: this.#pick(oddities) }
          : this.#pick(oddities)
      default:
        return this.#pick(oddities)
    }
  }

  #repeated(value: unknown): unknown[] {
    const count = Math.floor(repeatedLengthMax / this.#render(value).length)
    return Array.from({ length: Math.min(count, this.#below(1200)) }, () => value)
  }

  /** Like JSON.stringify, and now and then with a name twice, an own `__proto__`, or blanks. */
  #render(value: unknown): string {
    if (value instanceof RawJson) return value.text
    if (Array.isArray(value)) return `[${value.map(each => this.#render(each)).join(',')}]`
    if (isContainer(value)) {
      const fields = Object.entries(value).map(
        ([name, each]) => `${JSON.stringify(name)}:${this.#render(each)}`,
      )
      const again = fields.length > 0 && this.#below(25) === 0 ? [this.#pick(fields)] : []
      return `{${[...fields, ...again].join(this.#below(10) === 0 ? ' ,\n\t' : ',')}}`
    }
    return JSON.stringify(value) ?? 'null'
  }

  #splintered(text: Buffer): Buffer {
    const at = this.#below(text.length + 1)
    switch (this.#below(3)) {
      case 0:
        return text.subarray(0, at)
      case 1:
        return Buffer.concat([
          text.subarray(0, at),
          Buffer.from(this.#pick(splinters), 'latin1'),
          text.subarray(at),
        ])
      default:
        return Buffer.concat([text.subarray(0, at), text.subarray(at + 1 + this.#below(5))])
    }
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof RawJson)
}

function childOf(container: object, step: Step): unknown {
  return (container as Record<Step, unknown>)[step]
}
