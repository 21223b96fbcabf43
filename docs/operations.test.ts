import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { gatewaySettings } from '../gateway/settings.ts'
import { KAFKA_VERSION } from '../infra/local/kafka-install.ts'
import { APICURIO_VERSION } from '../infra/local/schema-registry.ts'
import { stopTimeMs } from '../infra/stop-time.ts'
import { proxyNodeSettings } from '../proxy-node/settings.ts'
import { restErrors } from '../shared/errors/rest-errors.ts'
import { isTest, isTypeScript, readSourceFiles, withoutComments } from '../test/tidy/source-files.ts'
import { exposedSeries } from './exposed-metrics.ts'
import { type LogCall, logCalls } from './log-calls.ts'

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(import.meta.dirname, 'operations.md'), 'utf8')

/** The text under a heading of level 2, up to the next one. */
function section(title: string): string {
  const [, body] = page.split(`\n## ${title}\n`)
  if (body === undefined) throw new Error(`docs/operations.md has no section ${title}`)
  return body.split('\n## ')[0] ?? ''
}

/** What GitHub makes of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

const codes = [...page.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)

describe('log lines', () => {
  const tierOf = (folder = '') => (folder === 'shared' ? 'both' : folder)
  const calls = readSourceFiles()
    .filter(({ path }) => /^(gateway|proxy-node|shared)\//.test(path) && isTypeScript(path) && !isTest(path))
    .flatMap(({ path, text }) =>
      logCalls(withoutComments(text)).map(call => ({ ...call, tier: tierOf(path.split('/')[0]) })),
    )
  const rowOf = ({ level, tier, message }: LogCall & { tier: string }) =>
    `| ${level} | ${tier} | \`${message}\` |`
  const rows: string[] =
    section('Log lines').match(/^\| (?:info|warn|error|fatal) \| [\w-]+ \| `[^`]*` \|/gm) ?? []

  test('every line of level warn, error and fatal has a row', () => {
    const loud = calls.filter(({ level }) => level !== 'info')
    expect(loud.length).toBeGreaterThan(40)
    expect(loud.map(rowOf).filter(row => !rows.includes(row))).toEqual([])
  })

  test('every row is a line of the source, and stands there once', () => {
    const written = new Set(calls.map(rowOf))
    expect(rows.filter(row => !written.has(row))).toEqual([])
    expect(new Set(rows).size).toBe(rows.length)
  })
})

describe('alerts', () => {
  interface Rules {
    groups: { rules: { alert: string; annotations: { runbook: string } }[] }[]
  }
  const rules = parse(readFileSync(join(root, 'infra/prometheus/alerts.yml'), 'utf8')) as Rules
  const alerts = rules.groups.flatMap(group => group.rules)

  test('each has a section, and each section has an alert', () => {
    const sections = [...section('Alerts').matchAll(/^### (.+)$/gm)].map(([, heading]) => heading)
    expect(sections).toEqual(alerts.map(({ alert }) => alert))
  })

  test('each leads to its section', () => {
    for (const { alert, annotations } of alerts)
      expect(annotations.runbook).toBe(`docs/operations.md#${anchorOf(alert)}`)
  })
})

describe('what the page names', () => {
  test('metrics', async () => {
    const series = await exposedSeries()
    const isExposed = (name: string) => series.has(name) || series.has(`${name}_count`)
    const named = codes.filter(code => /^(kafka_rest|process|nodejs)_\w+$/.test(code))
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter(name => !isExposed(name))).toEqual([])
  })

  test('error codes, with their status', () => {
    const rows = Object.values(restErrors)
    const named = [...page.matchAll(/(?:\b([45]\d\d) \/ )?\b([45]\d{4})\b/g)]
    expect(named.length).toBeGreaterThan(10)
    for (const [text, status, code] of named)
      expect(
        rows.some(row => row.errorCode === Number(code) && (!status || row.status === Number(status))),
        text,
      ).toBe(true)
  })

  test('files and headings that it links to', () => {
    const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
    const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target)
    expect(links.length).toBeGreaterThan(10)
    for (const link of links)
      if (link.startsWith('#')) expect(anchors).toContain(link.slice(1))
      else expect(existsSync(join(import.meta.dirname, link)), link).toBe(true)
    for (const path of codes.filter(code => /^(infra|docs)\/[\w./-]+$|^docker-compose\.yml$/.test(code)))
      expect(existsSync(join(root, path)), path).toBe(true)
  })
})

test('the versions that the page calls tested are those that the tests run on', () => {
  expect(page).toMatch(new RegExp(`^\\| Kafka \\| \\S+ \\| ${KAFKA_VERSION} \\|`, 'm'))
  expect(page).toContain(`| Apicurio Registry ${APICURIO_VERSION} |`)
})

describe('times that belong together', () => {
  const default_ = (rows: readonly { key: string; default: string | null }[], key: string): number =>
    Number(rows.find(row => row.key === key)?.default)
  const gateway = (key: string) => default_(gatewaySettings, key)
  const node = (key: string) => default_(proxyNodeSettings, key)

  test('the defaults are in order', () => {
    const lease = node('lease.ms')
    expect(2 * node('lease.renew.interval.ms')).toBeLessThanOrEqual(lease)
    expect(node('redis.timeout.ms')).toBeLessThan(lease - node('lease.renew.interval.ms'))
    expect(gateway('lease.ms')).toBe(lease)
    expect(gateway('members.refresh.interval.ms')).toBeLessThan(node('drain.delay.ms'))
    expect(gateway('node.connection.idle.timeout.ms')).toBeLessThan(node('connection.idle.timeout.ms'))
    expect(node('producer.max.block.ms') + node('producer.delivery.timeout.ms')).toBeLessThan(
      gateway('node.response.timeout.ms'),
    )
    expect(node('producer.request.timeout.ms')).toBeLessThan(node('producer.delivery.timeout.ms'))
    const session = node('consumer.session.timeout.ms')
    expect(3 * node('consumer.heartbeat.interval.ms')).toBeLessThan(session)
    expect(lease + session / 3).toBeLessThan(session)
    expect(node('kafka.connect.timeout.ms')).toBeLessThan(node('kafka.api.timeout.ms'))
    for (const rows of [gatewaySettings, proxyNodeSettings])
      expect(default_(rows, 'request.head.timeout.ms')).toBeLessThan(
        default_(rows, 'request.receive.timeout.ms'),
      )
  })

  test('the time for a stop that the page tells is their sum', () => {
    const seconds = stopTimeMs('proxy-node', node) / 1000
    expect(page).toContain(`(${Math.ceil(seconds)} s by default`)
  })
})
