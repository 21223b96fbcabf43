import { RestError } from '../../../shared/errors/rest-error.ts'

/**
 * An int of the path, as Java reads one: decimal digits with an optional sign, 32 bits.
 * @throws RestError notFound for anything else (contract v2 §2.6).
 */
export function pathInt(text: string | undefined): number {
  const value = Number(text)
  if (text === undefined || !/^[+-]?\d{1,20}$/.test(text) || value !== (value | 0))
    throw new RestError('notFound')
  return value
}
