import type { Clock } from '../../shared/clock.ts'
import { RestError } from '../../shared/errors/rest-error.ts'
import type { TopicPartition } from '../ports/kafka-cluster.ts'
import type { FetchedPartition, Isolation, KafkaConsumers } from '../ports/kafka-consumer.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import type { Changes } from './changes.ts'
import type { PositionResolver } from './position-resolver.ts'
import { keyOf, type Positions, type ReadablePosition } from './positions.ts'
import type { ReadBudget } from './read-budget.ts'
import { encodeRecords, type RecordRenderer, type RenderedRecord } from './record-renderer.ts'

export interface ReadSource {
  readonly positions: Positions
  readonly resolver: PositionResolver
  readonly changes: Changes
  readonly consumers: Pick<KafkaConsumers, 'fetch'>
  readonly renderer: RecordRenderer
  readonly isolation: Isolation
  /** Whether a position that the broker does not hold is found anew, or the read fails. */
  readonly resetsOutOfRange: boolean
  /** Bytes of fetched records, shared by all reads of the node. */
  readonly memory: ReadBudget
  /** Permits to hold fetched records, shared by all reads of the node. */
  readonly permits: ReadBudget
  readonly sliceBytes: number
  /** Whether this node still holds the instance: asked right before records are handed out. */
  readonly mayServe: () => Promise<boolean>
  /** What the read answers once the instance is not held any more. */
  readonly gone: () => Error
  /** Called with each slice: a read keeps its instance from expiring. */
  readonly touch: () => void
  readonly clock: Clock
}

export interface ReadLimits {
  /** On the monotonic clock. */
  readonly deadline: number
  readonly maxBytes: number
  /** The read is over when it has more than this; negative: never. */
  readonly minBytes: number
  /**
   * A partition that stands on a record which did not decode: it is looked at before the others. Either it decodes
   * by now, or the read fails on it again, until the client seeks past it.
   */
  readonly stuckOn: TopicPartition | undefined
}

/** The longest wait of one fetch: delete, drain and rebalance are never held longer. */
const sliceWaitMs = 500
/** What a fetch that waits for records may bring at most, so that any number of polls can wait; a whole batch comes anyway. */
const waitingBytes = 16 * 1024
/** About how much is written at once, in characters. */
const chunkChars = 128 * 1024
/** Pause after a fetch that failed in a way that may pass. */
const backoffMs = 50

/** The positions that a slice was fetched at, by partition. */
type AskedPositions = ReadonlyMap<string, ReadablePosition>

/** Records to write, and the position that moves when they are. */
interface Run {
  readonly position: ReadablePosition
  records: RenderedRecord[]
  next: bigint
}

/**
 * One read (contract v2 §4.2 as clients see it): records from the instance's positions until there are more bytes
 * than `minBytes`, the next record would reach `maxBytes`, or the deadline passes. Nothing is fetched before there is
 * room to hold it, nothing is kept after the read, and records count as handed out only right before their bytes are
 * given to the caller.
 */
export class RecordRead {
  readonly #source: ReadSource
  readonly #limits: ReadLimits
  readonly #signal: AbortSignal
  #bytes = 0
  #records = 0
  #full = false
  #fetches = 0
  #opened = false

  /** @param signal ends the read at once: its instance is closed, or its client is gone. */
  constructor(source: ReadSource, limits: ReadLimits, signal: AbortSignal) {
    this.#source = source
    this.#limits = limits
    this.#signal = signal
  }

  /** Records rendered so far. */
  get records(): number {
    return this.#records
  }

  /**
   * The bytes of a JSON array, up to its closing bracket: each chunk holds one or more records, and there is none for
   * an empty array. What it throws after the first chunk is for the caller to keep: the answer has begun by then.
   * @throws RestError undecodableRecord, readMemoryExhausted, the source's `gone`; KafkaError; the signal's reason.
   */
  async *chunks(): AsyncGenerator<Buffer, void> {
    // Whether the last slice brought records: then more are likely to be there, so the next is large and waits for none.
    let hungry = false
    for (let slice = 0; !this.#done(slice); slice++) {
      this.#signal.throwIfAborted()
      this.#source.touch()
      const before = this.#records
      yield* this.#slice(hungry)
      hungry = this.#records > before
    }
  }

  get #remainingMs(): number {
    return this.#limits.deadline - this.#source.clock.monotonic()
  }

  /** One slice is read however short the time-out: what is there is handed out. */
  #done(slice: number): boolean {
    if (this.#full) return true
    if (this.#limits.minBytes >= 0 && this.#bytes > this.#limits.minBytes) return true
    return slice > 0 && this.#remainingMs <= 0
  }

  async *#slice(hungry: boolean): AsyncGenerator<Buffer, void> {
    const { positions, resolver, memory } = this.#source
    if (positions.unresolved().length > 0) resolver.lookAgain()
    const readable = this.#firstOf(positions.readable())
    if (readable.length === 0) return this.#awaitPositions()
    const left = this.#limits.maxBytes - this.#bytes
    const wanted = Math.min(hungry ? this.#source.sliceBytes : waitingBytes, Math.max(left, 1024))
    const share = await memory.take(wanted, this.#remainingMs, this.#signal)
    if (share === undefined) {
      if (this.#fetches === 0) throw new RestError('readMemoryExhausted')
      return
    }
    try {
      const fetched = await this.#fetch(readable, wanted, hungry)
      share.resize(bytesOf(fetched))
      yield* this.#handOut(fetched, new Map(readable.map(position => [keyOf(position), position])))
    } finally {
      share.release()
    }
  }

  #firstOf(readable: readonly ReadablePosition[]): readonly ReadablePosition[] {
    const { stuckOn } = this.#limits
    if (stuckOn === undefined || this.#fetches > 0) return readable
    const stuck = readable.filter(
      ({ topic, partition }) => topic === stuckOn.topic && partition === stuckOn.partition,
    )
    return stuck.length > 0 ? stuck : readable
  }

  async #awaitPositions(): Promise<void> {
    const { resolver, changes, clock } = this.#source
    if (resolver.failure !== undefined && !resolver.rechecking) throw resolver.failure
    await changes.wait(Math.max(0, Math.min(sliceWaitMs, this.#remainingMs)), clock, this.#signal)
  }

  async #fetch(
    readable: readonly ReadablePosition[],
    maxBytes: number,
    hungry: boolean,
  ): Promise<readonly FetchedPartition[]> {
    this.#fetches++
    try {
      return await this.#source.consumers.fetch({
        positions: readable,
        maxBytes,
        minBytes: 1,
        maxWaitMs: hungry ? 0 : Math.max(0, Math.min(sliceWaitMs, Math.floor(this.#remainingMs))),
        isolation: this.#source.isolation,
        signal: this.#signal,
      })
    } catch (error) {
      this.#signal.throwIfAborted()
      if (!(error instanceof KafkaError) || !error.retriable) throw error
      await this.#pause()
      return []
    }
  }

  /** Hands out one slice. Its memory and permit are held until the client has taken the last chunk. */
  async *#handOut(fetched: readonly FetchedPartition[], asked: AskedPositions): AsyncGenerator<Buffer, void> {
    if (fetched.every(({ records }) => records.length === 0)) {
      // Nothing but compacted, aborted or control records: positions move all the same.
      await this.#write(fetched.flatMap(partition => this.#runOf(partition, asked, partition.nextOffset)))
      return this.#failures(fetched, asked)
    }
    const permit = await this.#source.permits.take(1, this.#remainingMs, this.#signal)
    // No permit until the time-out: as in the original, the read ends normally with what it has.
    if (permit === undefined) return
    try {
      yield* this.#render(fetched, asked)
    } finally {
      permit.release()
    }
    if (!this.#full) await this.#failures(fetched, asked)
  }

  async *#render(fetched: readonly FetchedPartition[], asked: AskedPositions): AsyncGenerator<Buffer, void> {
    let pending: Run[] = []
    let chars = 0
    let failure: unknown
    for (const partition of fetched) {
      const [run] = this.#runOf(partition, asked, undefined)
      if (run === undefined) continue
      pending.push(run)
      for (const record of partition.records) {
        try {
          const rendered = this.#source.renderer.render(partition, record, this.#signal)
          const ready = rendered instanceof Promise ? await rendered : rendered
          if (!this.#admit(ready.bytes)) break
          run.records.push(ready)
          run.next = record.offset + 1n
          chars += ready.before.length + ready.value.length + ready.after.length
        } catch (error) {
          // The answer ends before it, and the position stands on it: reads fail until the client seeks past it.
          run.next = record.offset
          failure = error
          break
        }
        if (chars < chunkChars) continue
        const chunk = await this.#write(pending)
        pending = [run]
        run.records = []
        chars = 0
        if (chunk !== undefined) yield chunk
      }
      if (failure !== undefined || this.#full) break
      if (partition.nextOffset > run.next) run.next = partition.nextOffset
    }
    const chunk = await this.#write(pending)
    if (chunk !== undefined) yield chunk
    if (failure !== undefined) throw failure
  }

  /**
   * Whether a record fits. As in the original the budget must stay above what is taken; unlike it, a first record
   * that alone reaches `maxBytes` is handed out alone, since its consumer would be stuck for good.
   */
  #admit(bytes: number): boolean {
    if (this.#records > 0 && this.#bytes + bytes >= this.#limits.maxBytes) {
      this.#full = true
      return false
    }
    this.#records++
    this.#bytes += bytes
    if (this.#bytes >= this.#limits.maxBytes) this.#full = true
    return true
  }

  #runOf(fetched: FetchedPartition, asked: AskedPositions, next: bigint | undefined): Run[] {
    const position = asked.get(keyOf(fetched))
    if (position === undefined || fetched.error !== undefined) return []
    return [{ position, records: [], next: next ?? position.offset }]
  }

  /**
   * The bytes of what may still be handed out, whose positions move in this very step: between the checks and the
   * return nothing else runs. A partition that was revoked, sought or put back since the fetch is left out.
   */
  async #write(runs: readonly Run[]): Promise<Buffer | undefined> {
    if (runs.length === 0) return undefined
    if (!(await this.#source.mayServe())) throw this.#source.gone()
    this.#signal.throwIfAborted()
    const allowed = runs.filter(({ position, next }) => this.#source.positions.handOut(position, next))
    const records = allowed.flatMap(run => run.records)
    if (records.length === 0) return undefined
    const first = this.#opened ? ',' : '['
    this.#opened = true
    return encodeRecords(records, first)
  }

  /** What partitions failed with: an offset out of range is found anew, what may pass is waited out. */
  async #failures(fetched: readonly FetchedPartition[], asked: AskedPositions): Promise<void> {
    const { positions, resolver, resetsOutOfRange } = this.#source
    let passing = false
    for (const { topic, partition, error } of fetched) {
      if (error === undefined) continue
      if (!(error instanceof KafkaError)) throw error
      const position = asked.get(keyOf({ topic, partition }))
      if (error.kind === 'OFFSET_OUT_OF_RANGE' && position !== undefined) {
        if (!resetsOutOfRange) throw outOfRange(error, position)
        positions.reset(position)
        resolver.start()
      } else if (error.retriable) passing = true
      else throw error
    }
    if (passing && fetched.every(({ records }) => records.length === 0)) await this.#pause()
  }

  async #pause(): Promise<void> {
    await this.#source.clock.sleep(Math.max(0, Math.min(backoffMs, this.#remainingMs)), this.#signal)
  }
}

/** The broker's own text names no partition, and the client has to seek in one. */
function outOfRange(
  { kind, code, retriable }: KafkaError,
  { topic, partition, offset }: ReadablePosition,
): KafkaError {
  const text = `Fetch position ${offset} is out of range for partition ${topic}-${partition}`
  return new KafkaError(kind, { code, retriable, text })
}

/** What a slice takes of the memory: the bytes of its records and something for each. */
function bytesOf(fetched: readonly FetchedPartition[]): number {
  let bytes = 0
  for (const { records } of fetched) {
    for (const { key, value, headers } of records) {
      bytes += recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0)
      for (const [name, header] of headers) bytes += (name?.length ?? 0) + (header?.length ?? 0)
    }
  }
  return bytes
}

/** An object with an offset, a time and two views of the fetched bytes. */
const recordOverheadBytes = 200
