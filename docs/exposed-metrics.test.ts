import { expect, test } from 'vitest'
import { exposedSeries, queryProblems } from './exposed-metrics.ts'

const series = await exposedSeries()

test.each([
  'up{job="kafka-rest-node"} == 0',
  'kafka_rest_gateway_members{state="available"} == 0',
  'sum by (node) (rate(kafka_rest_gateway_node_failures_total{stage=~"sent|unsent"}[5m])) > 0.1',
  'histogram_quantile(0.99, sum by (le) (rate(kafka_rest_gateway_request_seconds_bucket{status=~"2.."}[1m])))',
  'process_resident_memory_bytes{job="$job"} offset 1h or 0 * nodejs_eventloop_lag_p99_seconds',
])('%s has known names only', query => {
  expect(queryProblems(query, series)).toEqual([])
})

test.each([
  ['kafka_rest_gateway_member == 0', 'nothing exposes kafka_rest_gateway_member'],
  ['rate(kafka_rest_gateway_request_seconds[5m])', 'nothing exposes kafka_rest_gateway_request_seconds'],
  ['kafka_rest_gateway_members{stat="full"}', 'kafka_rest_gateway_members has no label stat'],
  [
    'kafka_rest_gateway_members{state=~"full|gone"}',
    'the help of kafka_rest_gateway_members does not name state="gone"',
  ],
  ['sum by (nod) (up)', 'no series has the label nod'],
  ['vector(1)', 'no series in: vector(1)'],
])('%s has not', (query, problem) => {
  expect(queryProblems(query, series)).toEqual([problem])
})
