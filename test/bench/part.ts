import type { RunningParts } from '../../infra/local/running-parts.ts'
import type { BenchServices } from './bench-services.ts'
import type { LoadGenerator } from './load/load-generator.ts'

/** What a part of the benchmark works with. Whatever it starts belongs into `parts`. */
export interface PartContext {
  readonly services: BenchServices
  /** Processes of this part alone; stopped when it is over. */
  readonly parts: RunningParts
  readonly load: LoadGenerator
  /** How long one measurement takes. */
  readonly seconds: number
  /** How often each variant is measured, in turn with the others. */
  readonly rounds: number
  readonly pidDir: string
  readonly progress: (line: string) => void
}

/** One part of the benchmark. Resolves with Markdown: a heading, how it was measured, and a table. */
export type BenchPart = (context: PartContext) => Promise<string>
