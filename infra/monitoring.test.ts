import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { exposedSeries, queryProblems } from '../docs/exposed-metrics.ts'
import { gatewaySettings } from '../gateway/settings.ts'
import { proxyNodeSettings } from '../proxy-node/settings.ts'

const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8')
const series = await exposedSeries()

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

describe('prometheus/alerts.yml', () => {
  const { groups } = parse(read('prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }
  const rules = groups.flatMap(group => group.rules)

  test('asks for series and labels that are exposed', () => {
    expect(rules.length).toBeGreaterThan(10)
    expect(rules.flatMap(({ expr }) => queryProblems(expr, series))).toEqual([])
  })

  test('each alert has its own name, a severity and a summary with labels that its expression keeps', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, expr, labels, annotations } of rules) {
      expect(labels.severity, alert).toMatch(/^(critical|warning)$/)
      const kept = /\bsum by \(([^)]*)\)/.exec(expr)?.[1]?.split(/, /)
      for (const [, label = ''] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
        if (kept) expect(kept, alert).toContain(label)
        else expect(/\bsum\(/.test(expr), `${alert}: ${label} is summed away`).toBe(false)
    }
  })
})

test('prometheus/prometheus.yml scrapes the default admin ports, under the names that the alerts go by', () => {
  const config = parse(read('prometheus/prometheus.yml')) as {
    rule_files: string[]
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[]
  }
  expect(config.rule_files).toEqual(['alerts.yml'])
  const portOf = (rows: readonly { key: string; default: string | null }[]) =>
    new URL(rows.find(row => row.key === 'admin.listener')?.default ?? '').port
  const jobs = config.scrape_configs.map(({ job_name, static_configs }) => [
    job_name,
    [...new Set(static_configs.flatMap(({ targets }) => targets.map(target => target.split(':')[1])))],
  ])
  expect(jobs).toEqual([
    ['kafka-rest-gateway', [portOf(gatewaySettings)]],
    ['kafka-rest-node', [portOf(proxyNodeSettings)]],
  ])
  const named = [...read('prometheus/alerts.yml').matchAll(/job="([^"]+)"/g)].map(([, job]) => job)
  expect(new Set(named)).toEqual(new Set(jobs.map(([job]) => job)))
})

describe('grafana/kafka-rest.json', () => {
  interface Panel {
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets?: readonly { readonly expr: string }[]
  }
  const { panels } = JSON.parse(read('grafana/kafka-rest.json')) as { panels: Panel[] }
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

  test('asks for series and labels that are exposed', () => {
    expect(queries.length).toBeGreaterThan(20)
    expect(queries.flatMap(query => queryProblems(query, series))).toEqual([])
  })

  test('panels have their own ids and places', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)).size).toBe(panels.length)
    for (const { title, gridPos } of panels) expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
  })
})
