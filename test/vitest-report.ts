import { readFileSync } from 'node:fs'

export interface TestCounts {
  passed: number
  failed: number
  skipped: number
}

/** The fields that we read of vitest's JSON report. */
export interface VitestReport {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

/**
 * Counts a finished run. A file that failed without a failed test (it cannot be loaded, or a hook threw)
 * is one failure; so is a run whose exit code is not 0 for another reason (an unhandled error), and one
 * in which no test passed or failed.
 */
export function countTests(report: VitestReport, exitCode: number | null): TestCounts {
  const brokenFiles = report.testResults.filter(
    file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed'),
  ).length
  const passed = report.numPassedTests
  let failed = report.numFailedTests + brokenFiles
  if (failed === 0 && (exitCode !== 0 || passed === 0)) failed = 1
  return { passed, failed, skipped: report.numPendingTests + report.numTodoTests }
}

/** Reads the report that vitest wrote; a missing or broken one (vitest crashed) is one failure. */
export function readCounts(file: string, exitCode: number | null): TestCounts {
  try {
    return countTests(JSON.parse(readFileSync(file, 'utf8')) as VitestReport, exitCode)
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** The closing line of a run: `12 passed, 0 failed`, and `, 1 skipped` when there are any. */
export function closingLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
