import { expect, test } from 'vitest'
import { runChaos } from '../chaos/chaos-run.ts'
import { runRollingRestart } from '../chaos/rolling-run.ts'
import { newTestDir, testPidDir } from '../support/services.ts'

// A minute of faults for each mode; `npm run chaos` goes on for longer, with other seeds, and also judges times.

test.each([
  ['recreate', 10],
  ['takeover', 31],
] as const)(
  'a minute of kills, freezes and restarts in %s mode: the audit is clean',
  async (mode, seed) => {
    const log: string[] = []
    const result = await runChaos({
      seed,
      minutes: 1,
      mode,
      recordsPerSecond: 100,
      runDir: newTestDir(`chaos-${mode}`),
      pidDir: testPidDir(),
      progress: line => log.push(line),
      signal: new AbortController().signal,
    })
    console.info(`${log.join('\n')}\n\n${result.tables}\n\n${result.summary}`)
    expect(result.problems).toEqual([])
    expect(result.audit.acknowledged).toBeGreaterThan(0)
  },
  // Only bounds a run that hangs.
  900_000,
)

// In this file, so that the two heaviest deployments of all tests do not run at the same time.
test('every node and gateway is restarted behind a balancer: no error, nothing twice, no rebalance', async () => {
  const log: string[] = []
  const result = await runRollingRestart({
    runDir: newTestDir('rolling'),
    pidDir: testPidDir(),
    progress: line => log.push(line),
  })
  const { errors, audit, problems, generations, table } = result
  const figures = `${audit.acknowledged} records acknowledged, ${audit.delivered} delivered, ${audit.repeated} of them again, ${audit.commits} commits`
  console.info(`${log.join('\n')}\n\n${table}\n\n${figures}\n${audit.repeats.join('\n')}`)
  expect(errors).toEqual([])
  expect(problems).toEqual([])
  expect(audit.repeats).toEqual([])
  for (const [group, { before, after }] of generations) expect([group, after]).toEqual([group, before])
  expect(generations.size).toBe(5)
  // Only bounds a run that hangs.
}, 600_000)
