import { gatewayMetrics } from '../gateway/metrics.ts'
import { proxyNodeMetrics } from '../proxy-node/metrics.ts'
import { type MetricRow, Metrics } from '../shared/observability/metrics.ts'

/** What Prometheus gives each series that it scrapes, and what it makes itself. */
const scrapeLabels = ['job', 'instance']

/** A series by the name that a query uses. */
export interface ExposedSeries {
  readonly labels: readonly string[]
  /** Of a metric of ours: its help, which names the values of its labels. */
  readonly help: string | undefined
}

/**
 * Everything that a query over both tiers can name: a histogram under the names of its parts, what every Node process
 * shows besides, and `up`.
 */
export async function exposedSeries(): Promise<ReadonlyMap<string, ExposedSeries>> {
  const series = new Map<string, ExposedSeries>()
  const rows: readonly MetricRow[] = [...gatewayMetrics, ...proxyNodeMetrics]
  for (const { name, type, labels, help } of rows) {
    const all = [...labels, ...scrapeLabels]
    if (type !== 'histogram') series.set(name, { labels: all, help })
    else {
      for (const part of ['_sum', '_count']) series.set(name + part, { labels: all, help })
      series.set(`${name}_bucket`, { labels: [...all, 'le'], help })
    }
  }
  const { text } = await new Metrics([], { process: true }).render()
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const own = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label)
    series.set(name, { labels: [...own, ...scrapeLabels], help: undefined })
  }
  series.set('up', { labels: scrapeLabels, help: undefined })
  return series
}

const keywords = new Set(['by', 'without', 'on', 'ignoring', 'or', 'and', 'unless', 'offset', 'bool'])

/**
 * What is wrong with the names in a PromQL expression, a sentence each: series and labels that nothing exposes, and label
 * values that the help of a metric of ours does not name. Syntax is not looked at.
 */
export function queryProblems(query: string, series: ReadonlyMap<string, ExposedSeries>): string[] {
  const problems: string[] = []
  const withoutGroups = query
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '')
    .replace(/\[[^\]]*\]/g, '')
  const selector = /\b([a-zA-Z_:][\w:]*)\b(?!\s*\()(?:\{([^}]*)\})?/g
  let found = 0
  for (const [, name = '', matchers = ''] of withoutGroups.matchAll(selector)) {
    if (keywords.has(name)) continue
    found += 1
    const known = series.get(name)
    if (known) problems.push(...matcherProblems(name, matchers, known))
    else problems.push(`nothing exposes ${name}`)
  }
  if (found === 0) problems.push(`no series in: ${query}`)
  const grouping = [...query.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, names = '']) =>
    names.split(','),
  )
  const labels = new Set([...series.values()].flatMap(one => one.labels))
  for (const label of grouping.map(name => name.trim()))
    if (!labels.has(label)) problems.push(`no series has the label ${label}`)
  return problems
}

function matcherProblems(name: string, matchers: string, { labels, help }: ExposedSeries): string[] {
  return [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].flatMap(
    ([, label = '', value = '']) => {
      if (!labels.includes(label)) return [`${name} has no label ${label}`]
      const isOpen = help === undefined || scrapeLabels.includes(label) || /^(operation|status)$/.test(label)
      if (isOpen || value.startsWith('$')) return []
      return value
        .split('|')
        .filter(word => !new RegExp(`\\b${word}\\b`).test(help))
        .map(word => `the help of ${name} does not name ${label}="${word}"`)
    },
  )
}
