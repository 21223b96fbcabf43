/**
 * The Kafka client keys that an operator set for one client, while they are being read: what is wrong is collected, and
 * what nobody took is known at the end.
 */
export class ClientKeys {
  readonly #values: Map<string, { readonly key: string; readonly value: string }>
  readonly #taken = new Set<string>()
  readonly #problems: string[] = []
  readonly #readFile: (path: string) => Buffer

  /**
   * @param values by Kafka's name: the key as the operator wrote it, for messages, and its value.
   * @param readFile throws the system's error.
   */
  constructor(
    values: ReadonlyMap<string, { readonly key: string; readonly value: string }>,
    readFile: (path: string) => Buffer,
  ) {
    this.#values = new Map(values)
    this.#readFile = readFile
  }

  get problems(): readonly string[] {
    return this.#problems
  }

  /** Keys that were set and that nothing was done with, as the operator wrote them. */
  get unused(): readonly string[] {
    return [...this.#values].filter(([name]) => !this.#taken.has(name)).map(([, { key }]) => key)
  }

  /** The value of a key, trimmed; undefined when it is not set. */
  take(name: string): string | undefined {
    this.#taken.add(name)
    return this.#values.get(name)?.value.trim()
  }

  /** Says what is wrong with a key. Its value is not shown: it may be secret. */
  problem(name: string, text: string): void {
    this.#problems.push(`${this.#values.get(name)?.key ?? name}: ${text}`)
  }

  /** A key that must not be set. */
  refuse(name: string, text: string): void {
    if (this.take(name) !== undefined) this.problem(name, text)
  }

  /** The content of a file that a key names; empty after a problem. */
  readFile(name: string, path: string): Buffer {
    try {
      return this.#readFile(path)
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it failed'
      this.problem(name, `${path} cannot be read (${reason})`)
      return Buffer.alloc(0)
    }
  }
}
