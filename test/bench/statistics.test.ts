import { expect, test } from 'vitest'
import { quantile, spreadOf, trendOf } from './statistics.ts'

test('quantiles are values that were measured', () => {
  const sorted = Array.from({ length: 100 }, (_, index) => index + 1)
  expect(quantile(sorted, 0.5)).toBe(50)
  expect(quantile(sorted, 0.99)).toBe(99)
  expect(quantile(sorted, 1)).toBe(100)
  expect(quantile([7], 0.99)).toBe(7)
  expect(quantile([], 0.5)).toBeNaN()
})

test('the spread of rounds', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 })
})

const line = (noise: (index: number) => number, slope = 0) =>
  Array.from({ length: 60 }, (_, index) => ({ x: index, y: 100 + slope * index + noise(index) }))

test('a trend finds the slope, and is sure of it where the noise is small', () => {
  const trend = trendOf(line(index => (index % 2 === 0 ? 1 : -1), 0.5))
  expect(trend.slope).toBeCloseTo(0.5, 2)
  expect(trend.slopeMargin).toBeLessThan(0.05)
})

test('no trend: the margin reaches over zero', () => {
  const trend = trendOf(line(index => 10 * Math.sin(index * 2.3)))
  expect(Math.abs(trend.slope)).toBeLessThan(trend.slopeMargin)
})

test('samples that resemble their neighbours widen the margin', () => {
  const wild = trendOf(line(index => (index % 2 === 0 ? 10 : -10)))
  const sawtooth = trendOf(line(index => (index % 20) - 10))
  expect(sawtooth.slopeMargin).toBeGreaterThan(wild.slopeMargin)
  expect(Math.abs(sawtooth.slope)).toBeLessThan(sawtooth.slopeMargin)
})

test('a few points prove nothing', () => {
  const points = [1, 2, 3].map(x => ({ x, y: x }))
  expect(trendOf(points)).toMatchObject({ slope: 1, slopeMargin: Number.POSITIVE_INFINITY })
})
