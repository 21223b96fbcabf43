import { afterEach } from 'vitest'
import type { LocalTier } from '../../infra/local/tier.ts'

/**
 * For a test file whose tests start processes of their own: each is killed after its test, however that ended.
 * @returns a function that a test gives each of them to, and gets it back from.
 */
export function killedAfterEach(): (tier: LocalTier) => LocalTier {
  const started: LocalTier[] = []
  afterEach(async () => {
    await Promise.all(started.splice(0).map(tier => tier.kill()))
  })
  return tier => {
    started.push(tier)
    return tier
  }
}
