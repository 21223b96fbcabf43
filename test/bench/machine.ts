import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { ROOT_DIR } from '../../infra/local/cache.ts'
import { KAFKA_VERSION } from '../../infra/local/kafka-install.ts'

/** When, where and with what was measured, as Markdown. */
export function machineText(now: Date): string {
  const [cpu] = cpus()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  const [load = 0] = loadavg()
  return [
    `- ${now.toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit()}`,
    `- ${cpus().length} × ${cpu?.model.trim() ?? 'CPU'}, ${gigabytes} GB, Linux ${release()}; load average before the start: ${load.toFixed(1)}`,
    `- Node.js ${process.versions.node}, Apache Kafka ${KAFKA_VERSION}; everything on this machine, the load generator too`,
  ].join('\n')
}

function commit(): string {
  try {
    const git = (args: string[]) => execFileSync('git', args, { cwd: ROOT_DIR, encoding: 'utf8' }).trim()
    return (
      git(['rev-parse', '--short', 'HEAD']) + (git(['status', '--porcelain']) === '' ? '' : ' with changes')
    )
  } catch {
    return 'unknown'
  }
}
