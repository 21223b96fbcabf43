import fc from 'fast-check'

/**
 * Runs a property on 1,000 generated cases and prints the seed, so that a failure anywhere can be run again with
 * PROPERTY_SEED (and PROPERTY_RUNS for more cases).
 */
export async function checkProperty<Values>(
  name: string,
  property: fc.IRawProperty<Values>,
  runs = 1000,
): Promise<void> {
  const seed = Number(process.env['PROPERTY_SEED'] ?? Date.now() % 2 ** 31)
  const numRuns = Number(process.env['PROPERTY_RUNS'] ?? runs)
  console.info(`property "${name}": PROPERTY_SEED=${seed}, ${numRuns} cases`)
  await fc.assert(property, { seed, numRuns })
}
