import { SetupError } from '../../infra/local/setup-error.ts'
import { BenchRun } from './bench-run.ts'
import { machineText } from './machine.ts'
import { BENCH_USAGE, type BenchOptions, type PartName, parseBenchOptions } from './options.ts'
import type { BenchPart } from './part.ts'
import { instances } from './parts/instances.ts'
import { memory } from './parts/memory.ts'
import { produce } from './parts/produce.ts'
import { read } from './parts/read.ts'

// `npm run bench`: starts Kafka, Redis, a Schema Registry, nodes, a gateway, HAProxy and nginx, measures, prints
// Markdown tables, and ends everything that it started. docs/benchmarks.md says how to read them.

const parts: Readonly<Record<PartName, BenchPart>> = { produce, read, memory, instances }

const progress = (line: string) => console.error(line)

async function bench({ only, seconds, rounds }: BenchOptions): Promise<number> {
  const about = `- each figure: the median (smallest–largest) of ${rounds} measurements of ${seconds} s, in turn with the others`
  const head = `# Benchmark\n\n${machineText(new Date())}\n${about}`
  return BenchRun.run(progress, async (run, services) => {
    console.log(head)
    for (const name of only) {
      progress(`${name}:`)
      const text = await run.section(services, section =>
        parts[name]({ ...section, seconds, rounds, progress }),
      )
      console.log(`\n${text}`)
    }
    return 0
  })
}

try {
  const options = parseBenchOptions(process.argv.slice(2))
  if (options.help) console.log(BENCH_USAGE)
  else process.exitCode = await bench(options)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
