import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalTier } from '../../infra/local/tier.ts'

/** The value of one series in the text of `/metrics`; 0 when it is not there yet. */
export async function metricOf(tier: LocalTier, series: string): Promise<number> {
  const { text } = await tier.admin('/metrics')
  const line = text.split('\n').find(each => each.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? 0)
}

/** The sum over all labels of a metric. */
export async function metricSum(tier: LocalTier, name: string): Promise<number> {
  const { text } = await tier.admin('/metrics')
  const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Asks a process again and again whether it is ready, and notes each change of its answer. End it with `stop`. */
export class ReadyWatch {
  /** What `/ready` said, without what it said twice in a row: the status and the text; 0 for no answer. */
  readonly said: { readonly status: number; readonly text: string }[] = []
  readonly #watching: Promise<void>
  #running = true

  constructor(tier: LocalTier) {
    this.#watching = this.#watch(tier)
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#watching
  }

  async #watch(tier: LocalTier): Promise<void> {
    while (this.#running) {
      const answer = await tier.admin('/ready').catch(() => ({ status: 0, text: '' }))
      const last = this.said.at(-1)
      if (last?.status !== answer.status || last.text !== answer.text) this.said.push(answer)
      await sleep(50)
    }
  }
}
