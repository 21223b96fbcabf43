import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalTier } from '../../infra/local/tier.ts'
import { residentBytesOf } from './process-usage.ts'
import { spreadOf } from './statistics.ts'

/** What a process holds. */
export interface Memory {
  readonly residentBytes: number
  /** JavaScript objects, garbage that was not collected yet among them. */
  readonly heapBytes: number
  /** Buffers outside the heap. */
  readonly externalBytes: number
  /** Open files, most of them sockets. */
  readonly files: number
}

const WINDOW = 8
const SAMPLE_MS = 1_000
/** A process whose memory does not come to rest is measured all the same. */
const SETTLE_MS_MAX = 45_000
const SETTLED_SHARE = 0.015

/** What a process of a tier holds now; its heap as its own metrics say. */
export async function memoryOf(tier: LocalTier): Promise<Memory> {
  const { text } = await tier.admin('/metrics')
  return {
    residentBytes: residentBytesOf(tier.pid),
    heapBytes: gaugeOf(text, 'nodejs_heap_size_used_bytes'),
    externalBytes: gaugeOf(text, 'nodejs_external_memory_bytes'),
    files: readdirSync(`/proc/${tier.pid}/fd`).length,
  }
}

/** The value of a metric without labels. @throws Error when the exposition lacks it. */
export function gaugeOf(exposition: string, name: string): number {
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(exposition)
  if (!found) throw new Error(`no metric ${name}`)
  return Number(found[1])
}

/**
 * Waits until the resident memory stays the same for a while, and returns what it is then: the median of the last
 * samples. Of the heap it is the smallest one, just after a collection as far as there was one.
 */
export async function settledMemory(tier: LocalTier, signal: AbortSignal): Promise<Memory> {
  const samples: Memory[] = []
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SAMPLE_MS) {
    await sleep(SAMPLE_MS, undefined, { signal })
    samples.push(await memoryOf(tier))
    const { min, max } = spreadOf(samples.slice(-WINDOW).map(({ residentBytes }) => residentBytes))
    if (samples.length >= WINDOW && max - min < SETTLED_SHARE * max) break
  }
  const last = samples.slice(-WINDOW)
  const figures = (pick: (memory: Memory) => number) => spreadOf(last.map(pick))
  return {
    residentBytes: figures(({ residentBytes }) => residentBytes).median,
    heapBytes: figures(({ heapBytes }) => heapBytes).min,
    externalBytes: figures(({ externalBytes }) => externalBytes).median,
    files: figures(({ files }) => files).median,
  }
}

/** The largest resident memory of a process while something goes on. */
export class PeakMemory {
  readonly #timer: NodeJS.Timeout
  #peak = 0

  constructor(pid: number, everyMs = 200) {
    this.#timer = setInterval(() => {
      this.#peak = Math.max(this.#peak, residentBytesOf(pid))
    }, everyMs)
  }

  /** Ends the watch. @returns the largest sample, in bytes. */
  stop(): number {
    clearInterval(this.#timer)
    return this.#peak
  }
}
