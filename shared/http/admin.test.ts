import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { type MetricRow, Metrics } from '../observability/metrics.ts'
import { createAdmin, type ReadinessCheck } from './admin.ts'

const rows = [
  { name: 'kafka_rest_a_total', type: 'counter', labels: [], help: 'a' },
] as const satisfies readonly MetricRow[]

function adminOf(checks: readonly ReadinessCheck[], clock = new ManualClock()) {
  const metrics = new Metrics<'kafka_rest_a_total'>(rows, { process: false })
  return createAdmin({ checks, metrics, clock })
}

test('/health, /metrics', async () => {
  const admin = adminOf([])
  const health = await admin.request('/health')
  expect([health.status, await health.json()]).toEqual([200, { status: 'up' }])
  const metrics = await admin.request('/metrics')
  expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/)
  expect(await metrics.text()).toContain('kafka_rest_a_total 0')
})

test('/ready tells each part, also those that fail or throw', async () => {
  const checks: ReadinessCheck[] = [
    { name: 'good', check: async () => undefined },
    { name: 'bad', check: async () => 'it is away' },
    { name: 'failing', check: async () => Promise.reject(new Error('refused')) },
    {
      name: 'throwing',
      check: () => {
        throw new Error('broken')
      },
    },
  ]
  const response = await adminOf(checks).request('/ready')
  expect(response.status).toBe(503)
  expect(await response.json()).toEqual({
    status: 'not ready',
    parts: { good: 'ready', bad: 'it is away', failing: 'refused', throwing: 'broken' },
  })
  expect((await adminOf(checks.slice(0, 1)).request('/ready')).status).toBe(200)
})

test('/ready answers although a check does not', async () => {
  const clock = new ManualClock()
  const asking = adminOf([{ name: 'kafka', check: () => new Promise(() => {}) }], clock).request('/ready')
  await clock.advance(5000)
  const response = await asking
  expect(response.status).toBe(503)
  expect(await response.json()).toEqual({
    status: 'not ready',
    parts: { kafka: 'no answer within 5000 ms' },
  })
})

test('paths are matched as they came', async () => {
  const admin = adminOf([])
  const statusOf = async (url: string) => (await admin.request('/health', {}, { incoming: { url } })).status
  expect(await Promise.all(['/health', '/health/', '/health?a=b'].map(statusOf))).toEqual([200, 200, 200])
  expect(await Promise.all(['/x/../health', '/%68ealth', '//health', '/'].map(statusOf))).toEqual([
    404, 404, 404, 404,
  ])
})

test('unknown paths and methods, and errors, are JSON like all others', async () => {
  const admin = adminOf([])
  for (const [path, method] of [
    ['/', 'GET'],
    ['/nothing', 'GET'],
    ['/health', 'POST'],
  ] as const) {
    const response = await admin.request(path, { method })
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ error_code: 404, message: 'HTTP 404 Not Found' })
  }
  const broken = adminOf([])
  broken.get('/broken', () => {
    throw new Error('secret')
  })
  const response = await broken.request('/broken')
  expect(response.status).toBe(500)
  expect(await response.json()).toEqual({ error_code: 500, message: 'Internal Server Error' })
})
