import { expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { ReadBudget } from './read-budget.ts'

const budgetOf = (total: number) => new ReadBudget(total, systemClock)

test('what fits is granted at once, the rest waits in order', async () => {
  const budget = budgetOf(10)
  const first = await budget.take(8, 0)
  expect(await budget.take(3, 0)).toBeUndefined()
  const granted: string[] = []
  const big = budget.take(9, 10_000).then(share => {
    granted.push('big')
    return share
  })
  const small = budget.take(1, 10_000).then(share => {
    granted.push('small')
    return share
  })
  expect(budget.waiting).toBe(2)
  first?.release()
  await Promise.all([big, small])
  expect(granted).toEqual(['big', 'small'])
  expect(budget.used).toBe(10)
})

test('more than the total is granted alone', async () => {
  const budget = budgetOf(10)
  const share = await budget.take(50, 0)
  expect(share).toBeDefined()
  expect(await budget.take(1, 1)).toBeUndefined()
  share?.release()
  share?.release()
  expect(budget.used).toBe(0)
})

test('a share that grew beyond the total holds back others until it shrinks', async () => {
  const budget = budgetOf(10)
  const share = await budget.take(2, 0)
  share?.resize(30)
  const next = budget.take(1, 10_000)
  share?.resize(9)
  expect(await next).toBeDefined()
  expect(budget.used).toBe(10)
})

test('a waiter that leaves makes room for those behind it', async () => {
  const budget = budgetOf(10)
  await budget.take(9, 0)
  const leaving = new AbortController()
  const big = budget.take(5, 10_000, leaving.signal)
  const small = budget.take(1, 10_000)
  leaving.abort(new Error('left'))
  await expect(big).rejects.toThrow('left')
  expect(await small).toBeDefined()
  await expect(budget.take(1, 10, leaving.signal)).rejects.toThrow('left')
})

test('no bound', async () => {
  const budget = budgetOf(Number.POSITIVE_INFINITY)
  await budget.take(1e12, 0)
  expect(await budget.take(1e12, 0)).toBeDefined()
})
