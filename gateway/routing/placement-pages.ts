import { RestError } from '../../shared/errors/rest-error.ts'
import type { PageQuery } from '../../shared/rest/page-query.ts'
import { bucketCount, bucketOf } from '../../shared/routing/buckets.ts'
import {
  type Placement,
  type RoutingTable,
  RoutingTableUnavailable,
} from '../../shared/routing/routing-table.ts'

export interface PlacementFilter {
  readonly node?: string
  readonly group?: string
}

export interface ListedPlacement extends Placement {
  /** Whether the incarnation that holds it has a live member record. */
  readonly ownerAlive: boolean
}

export interface PlacementPage {
  readonly placements: readonly ListedPlacement[]
  /** `after` of the next page; undefined: this is the last. */
  readonly next: string | undefined
}

/** Buckets that are asked at once, at most: a list of few placements takes few round trips, and one of many few bytes. */
const bucketsAtOnceMax = 16
/** Placements of one bucket that are read: 256 of them hold 2.5 million. */
const bucketEntriesMax = 10_000

/**
 * One page of the placements, bucket by bucket, in each by key. A placement that is there all the while is on exactly
 * one page; what changes meanwhile may be on none.
 * @throws RestError validation (`after` is not of a page), routingTableUnreachable.
 */
export async function placementPage(
  table: RoutingTable | undefined,
  filter: PlacementFilter,
  { limit, after }: PageQuery,
): Promise<PlacementPage> {
  if (after !== undefined && !after.includes('/')) throw new RestError('validation', 'after is not of a page')
  if (table === undefined) throw new RestError('routingTableUnreachable')
  try {
    const { members } = await table.members()
    const found = await collect(table, filter, limit + 1, after)
    const alive = new Map(members.map(({ id, incarnation }) => [id, incarnation]))
    const placements = found.slice(0, limit).map(placement => ({
      ...placement,
      ownerAlive: alive.get(placement.node) === placement.incarnation,
    }))
    return { placements, next: found.length > limit ? placements.at(-1)?.key : undefined }
  } catch (error) {
    if (!(error instanceof RoutingTableUnavailable)) throw error
    throw new RestError('routingTableUnreachable', undefined, { cause: error })
  }
}

/** The placements after a key, until there are `count`. */
async function collect(
  table: RoutingTable,
  filter: PlacementFilter,
  count: number,
  after: string | undefined,
): Promise<Placement[]> {
  const found: Placement[] = []
  let atOnce = 1
  for (let first = after === undefined ? 0 : bucketOf(after); first < bucketCount && found.length < count; ) {
    const buckets = Array.from({ length: Math.min(atOnce, bucketCount - first) }, (_, index) => first + index)
    const lists = await Promise.all(
      buckets.map(bucket => table.list({ ...filter, bucket }, bucketEntriesMax)),
    )
    for (const [index, list] of lists.entries()) {
      const begun = after !== undefined && buckets[index] === bucketOf(after)
      found.push(...list.filter(({ key }) => !begun || key > after).sort(byKey))
    }
    first += buckets.length
    atOnce = Math.min(atOnce * 2, bucketsAtOnceMax)
  }
  return found
}

const byKey = (left: Placement, right: Placement): number => (left.key < right.key ? -1 : 1)
