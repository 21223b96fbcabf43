import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { instanceKey } from '../../shared/ids.ts'
import type { ConsumerInstance } from './consumer-instance.ts'
import { InstanceGone } from './instance-gone.ts'
import { NodeOperations } from './node-operations.ts'

const instanceOf = (group: string, instance: string) =>
  ({ ref: { group, instance }, key: instanceKey({ group, instance }) }) as ConsumerInstance

function operationsOf(evict: () => Promise<boolean>, all: ConsumerInstance[] = []) {
  const drain = {
    state: 'active' as 'active' | 'draining' | 'drained',
    async start() {
      drain.state = 'draining'
    },
    async undo() {
      drain.state = 'active'
    },
  }
  return new NodeOperations({
    drain,
    instances: { size: all.length, evict, all: () => [...all] },
    membership: { identity: () => ({ id: 'n', incarnation: 'i' }), registered: true },
    instancesMax: 9,
  })
}

test('drain and undo answer with the state that they lead to', async () => {
  const operations = operationsOf(async () => true)
  const status = { id: 'n', incarnation: 'i', registered: true, instances: 0, instances_max: 9 }
  expect(operations.status()).toEqual({ ...status, state: 'active' })
  expect(operations.drain()).toEqual({ ...status, state: 'draining' })
  expect(await operations.undrain()).toEqual({ ...status, state: 'active' })
})

test('what is not held here, or is handed over just now, cannot be evicted here', async () => {
  const ref = { group: 'g', instance: 'i' }
  const row = (error: unknown) => (error instanceof RestError ? error.row : error)
  expect(await operationsOf(async () => true).evict(ref)).toBeUndefined()
  expect(
    await operationsOf(async () => false)
      .evict(ref)
      .catch(row),
  ).toBe('consumerInstanceNotFound')
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const moving = operationsOf(() => Promise.reject(new InstanceGone('handed-over', over)))
  let settled = false
  const evicting = moving
    .evict(ref)
    .catch(row)
    .finally(() => {
      settled = true
    })
  await new Promise(setImmediate)
  expect(settled).toBe(false)
  resolve()
  expect(await evicting).toBe('consumerInstanceNotFound')
})

test('instances page by page, in the order of their keys', () => {
  const all = ['b/2', 'a/1', 'b/1', 'a b/3', 'b/3'].map(text => {
    const [group = '', instance = ''] = text.split('/')
    return instanceOf(group, instance)
  })
  const operations = operationsOf(async () => true, all)
  const first = operations.page(undefined, { limit: 3, after: undefined })
  expect(first.instances.map(({ key }) => key)).toEqual(['a%20b/3', 'a/1', 'b/1'])
  const second = operations.page(undefined, { limit: 3, after: first.next })
  expect([second.instances.map(({ key }) => key), second.next]).toEqual([['b/2', 'b/3'], undefined])
  expect(operations.page('b', { limit: 3, after: undefined }).next).toBeUndefined()
})
