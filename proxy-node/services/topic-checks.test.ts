import { expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import type { TopicMetadata } from '../ports/kafka-cluster.ts'
import { KafkaError } from '../ports/kafka-error.ts'
import { Changes } from './changes.ts'
import { TopicChecks } from './topic-checks.ts'

const forbidden = new KafkaError('TOPIC_AUTHORIZATION_FAILED', { code: 29, retriable: false, text: 'no' })

function checking() {
  const asked: { name: string; autoCreate: boolean | undefined; refuse: () => void; answer: () => void }[] =
    []
  const checks = new TopicChecks({
    cluster: {
      cachedTopic: () => undefined,
      topic: (name, { autoCreate } = {}) =>
        new Promise<TopicMetadata | undefined>((resolve, reject) => {
          asked.push({
            name,
            autoCreate,
            refuse: () => reject(forbidden),
            answer: () => resolve({ name, id: '', internal: false, partitions: [] }),
          })
        }),
    },
    changes: new Changes(),
    log: silentLogger,
    closed: new AbortController().signal,
  })
  return { checks, asked }
}

test('a topic that is refused is a problem until it is not', async () => {
  const { checks, asked } = checking()
  checks.start(['a'], false)
  asked[0]?.refuse()
  await checks.running
  expect(checks.problem).toBe(forbidden)
  checks.start(['a'], false)
  asked[1]?.answer()
  await checks.running
  expect(checks.problem).toBeUndefined()
})

test('what an earlier subscription asked for says nothing of the next, and does not keep it from asking', async () => {
  const { checks, asked } = checking()
  checks.start(['forbidden'], false)
  const earlier = checks.running
  checks.clear()
  checks.start(['new'], true)
  expect(asked.map(({ name, autoCreate }) => [name, autoCreate])).toEqual([
    ['forbidden', false],
    ['new', true],
  ])
  const current = checks.running
  asked[0]?.refuse()
  await earlier
  expect(checks.problem).toBeUndefined()
  expect(checks.running).toBe(current)
  asked[1]?.answer()
  await current
  expect(checks.running).toBeUndefined()
})
