import { expect, test } from 'vitest'
import { closingLine, countTests, readCounts, type VitestReport } from './vitest-report.ts'

function report(overrides: Partial<VitestReport> = {}): VitestReport {
  return {
    numPassedTests: 3,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: [],
    ...overrides,
  }
}

test('the closing line', () => {
  expect(closingLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed')
  expect(closingLine({ passed: 12, failed: 1, skipped: 2 })).toBe('12 passed, 1 failed, 2 skipped')
})

test('passed, failed, skipped and planned tests are counted', () => {
  const counts = countTests(report({ numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }), 1)
  expect(counts).toEqual({ passed: 3, failed: 2, skipped: 2 })
})

test('a file that cannot be loaded is a failure of its own; one with failed tests is not counted twice', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{ status: 'failed' }] },
    { status: 'passed', assertionResults: [{ status: 'passed' }] },
  ]
  expect(countTests(report({ numFailedTests: 1, testResults }), 1).failed).toBe(2)
})

test('a crash, an unhandled error and a run without a test are failures', () => {
  expect(readCounts('/no/such/file.json', 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  expect(countTests(report(), 1).failed).toBe(1)
  expect(countTests(report(), null).failed).toBe(1)
  expect(countTests(report({ numPassedTests: 0, numPendingTests: 3 }), 0).failed).toBe(1)
  expect(countTests(report(), 0).failed).toBe(0)
})
