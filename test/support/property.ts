import fc from 'fast-check'
import { seedFrom } from './seed.ts'

/**
 * Runs a property on 1,000 generated cases and prints their seed: PROPERTY_SEED (`seedFrom`) and PROPERTY_RUNS choose
 * others, and more.
 */
export async function checkProperty<Values>(
  name: string,
  property: fc.IRawProperty<Values>,
  runs = 1000,
): Promise<void> {
  const seed = seedFrom('PROPERTY_SEED')
  const numRuns = Number(process.env['PROPERTY_RUNS'] ?? runs)
  console.info(`property "${name}": PROPERTY_SEED=${seed}, ${numRuns} cases`)
  await fc.assert(property, { seed, numRuns })
}
