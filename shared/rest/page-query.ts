import { RestError } from '../errors/rest-error.ts'

/** Which part of a list is asked for. */
export interface PageQuery {
  readonly limit: number
  /** Where the page before ended, as it said; undefined: from the beginning. */
  readonly after: string | undefined
}

const limitDefault = 100
/** A page is built in memory. */
const limitMax = 1000

/** Reads `limit` and `after` of a query. @throws RestError validation */
export function pageQueryOf(query: URLSearchParams): PageQuery {
  const text = query.get('limit') ?? String(limitDefault)
  const limit = Number(text)
  if (!/^\d+$/.test(text) || limit < 1 || limit > limitMax)
    throw new RestError('validation', `limit must be a whole number from 1 to ${limitMax}`)
  return { limit, after: query.get('after') ?? undefined }
}
