import { expect, test } from 'vitest'
import { OperationQueue } from './operation-queue.ts'

test('operations run one at a time, in order, whatever happens to the one before', async () => {
  const queue = new OperationQueue()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run(async () => {
    seen.push('first begins')
    await gate.promise
    seen.push('first ends')
    throw new Error('failed')
  })
  const second = queue.run(async () => {
    seen.push('second')
    return 2
  })
  expect(queue.size).toBe(2)
  gate.resolve()
  await expect(first).rejects.toThrow('failed')
  expect(await second).toBe(2)
  expect(seen).toEqual(['first begins', 'first ends', 'second'])
  expect(queue.size).toBe(0)
})

test('a caller that left before its turn is passed over', async () => {
  const queue = new OperationQueue()
  const gate = Promise.withResolvers<void>()
  const leaving = new AbortController()
  let ran = false
  const first = queue.run(() => gate.promise)
  const second = queue.run(async () => {
    ran = true
  }, leaving.signal)
  leaving.abort(new Error('left'))
  gate.resolve()
  await first
  await expect(second).rejects.toThrow('left')
  expect(ran).toBe(false)
})
