import { defineConfig } from 'vitest/config'

/**
 * Two projects: `unit` (beside the code, and about the code; no services; part of `npm run check`) and `system`
 * (test/, on the real Kafka, Redis and registry that test/run.ts starts).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // Pure tests: modules are loaded once for all files of a worker, which is most of the time.
          isolate: false,
          maxWorkers: 2,
          // Time-outs only end a test that hangs: a starved machine may take ten times as long as an idle one.
          testTimeout: 60_000,
          // Projects with different numbers of workers run one after the other.
          sequence: { groupOrder: 0 },
          include: [
            '{gateway,proxy-node,shared,infra,docs}/**/*.test.ts',
            'test/*.test.ts',
            'test/tidy/**/*.test.ts',
            'test/bench/**/*.test.ts',
            'test/simulation/**/*.test.ts',
            'test/chaos/**/*.test.ts',
          ],
        },
      },
      {
        test: {
          name: 'system',
          sequence: { groupOrder: 1 },
          include: ['test/{contract,integration,e2e}/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
        },
      },
    ],
  },
})
