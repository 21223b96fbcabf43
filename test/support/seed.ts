import { drawSeed } from '../../shared/random.ts'

/**
 * The seed of a randomized test. It is the same in each run of all tests, so that a run says the same of the same
 * code; new cases are looked for by hand.
 * @param variable of the environment: a number repeats a run, `random` draws a seed.
 */
export function seedFrom(variable: string): number {
  const given = process.env[variable]
  if (given === 'random') return drawSeed()
  const seed = Number(given ?? 1)
  if (!Number.isSafeInteger(seed))
    throw new Error(`${variable} must be a whole number or "random", not ${given}`)
  return seed
}
