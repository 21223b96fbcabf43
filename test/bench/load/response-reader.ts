/** One answer, whole. */
export interface Answer {
  readonly status: number
  readonly body: Buffer
  /** The server closes the connection after it. */
  readonly closes: boolean
}

type Stage = 'head' | 'sized body' | 'chunk size' | 'chunk data' | 'chunk end' | 'trailer'

/**
 * Reads HTTP/1.1 answers of one connection, one after the other, as cheaply as it goes: a load generator that parses
 * like a real client would take the CPU that it is to measure. It understands what the servers under test send
 * (Content-Length and chunked), and throws at anything else.
 */
export class ResponseReader {
  #stage: Stage = 'head'
  #unread: Buffer = Buffer.alloc(0)
  #status = 0
  #closes = false
  #wanted = 0
  #parts: Buffer[] = []

  /** Takes what has come. @returns the answer when it is complete. @throws Error when it is no answer. */
  push(chunk: Buffer): Answer | undefined {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk])
    for (;;) {
      const step = this.#step()
      if (step === 'more') return undefined
      if (step === 'complete') return this.#finish()
    }
  }

  /** Whether an answer has begun and is not complete. */
  get midway(): boolean {
    return this.#stage !== 'head' || this.#unread.length > 0
  }

  #step(): 'on' | 'more' | 'complete' {
    switch (this.#stage) {
      case 'head':
        return this.#head()
      case 'sized body':
        return this.#data() ? 'complete' : 'more'
      case 'chunk size':
        return this.#chunkSize()
      case 'chunk data':
        if (!this.#data()) return 'more'
        this.#stage = 'chunk end'
        return 'on'
      case 'chunk end':
        if (this.#line() === undefined) return 'more'
        this.#stage = 'chunk size'
        return 'on'
      case 'trailer': {
        const line = this.#line()
        if (line === undefined) return 'more'
        return line === '' ? 'complete' : 'on'
      }
    }
  }

  #head(): 'on' | 'more' | 'complete' {
    const end = this.#unread.indexOf('\r\n\r\n')
    if (end < 0) return 'more'
    const head = this.#unread.toString('latin1', 0, end).toLowerCase()
    this.#unread = this.#unread.subarray(end + 4)
    const status = /^http\/1\.1 (\d{3})/.exec(head)
    if (!status) throw new Error(`no answer of HTTP/1.1: ${head.slice(0, 40)}`)
    this.#status = Number(status[1])
    if (this.#status < 200) return 'on'
    this.#closes = head.includes('\r\nconnection: close')
    if (this.#status === 204 || this.#status === 304) return 'complete'
    const length = /\r\ncontent-length: *(\d+)/.exec(head)
    if (length) {
      this.#wanted = Number(length[1])
      this.#stage = 'sized body'
    } else if (head.includes('\r\ntransfer-encoding: chunked')) {
      this.#stage = 'chunk size'
    } else throw new Error('an answer that only the end of its connection would end')
    return 'on'
  }

  #chunkSize(): 'on' | 'more' {
    const line = this.#line()
    if (line === undefined) return 'more'
    this.#wanted = Number.parseInt(line, 16)
    if (Number.isNaN(this.#wanted)) throw new Error(`no size of a chunk: ${line.slice(0, 40)}`)
    this.#stage = this.#wanted === 0 ? 'trailer' : 'chunk data'
    return 'on'
  }

  /** Takes up to what is wanted. @returns whether that was all. */
  #data(): boolean {
    const part = this.#unread.subarray(0, this.#wanted)
    this.#unread = this.#unread.subarray(part.length)
    this.#wanted -= part.length
    if (part.length > 0) this.#parts.push(part)
    return this.#wanted === 0
  }

  #line(): string | undefined {
    const end = this.#unread.indexOf('\r\n')
    if (end < 0) return undefined
    const line = this.#unread.toString('latin1', 0, end)
    this.#unread = this.#unread.subarray(end + 2)
    return line
  }

  #finish(): Answer {
    const [first] = this.#parts
    const body = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts)
    this.#parts = []
    this.#stage = 'head'
    return { status: this.#status, body, closes: this.#closes }
  }
}
