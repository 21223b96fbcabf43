import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProperty } from '../../test/support/property.ts'
import { Positions } from './positions.ts'
import type { RecordedPosition } from './recorded-positions.ts'

const t0 = { topic: 't', partition: 0 }
const t1 = { topic: 't', partition: 1 }
const member = (generation: number) => ({ memberId: 'm', groupInstanceId: 'i', generation })

/** Positions of one partition that stand at `offset`, resolved from the committed offset. */
function standingAt(offset: bigint, generation = 1): Positions {
  const positions = new Positions()
  positions.assignGeneration([t0], member(generation))
  for (const asked of positions.unresolved()) positions.resolve(asked, offset, true)
  return positions
}

const only = (positions: Positions) => {
  const [position] = positions.readable()
  if (position === undefined) throw new Error('the partition has no position')
  return position
}

describe('Positions', () => {
  test('a partition is read only after its position was found', () => {
    const positions = new Positions()
    positions.assignGeneration([t0, t1], member(1))
    expect(positions.readable()).toEqual([])
    const [first, second] = positions.unresolved()
    expect([first?.target, second?.target]).toEqual(['committed', 'committed'])
    if (first) positions.resolve(first, 7n, false)
    expect(positions.readable()).toMatchObject([{ ...t0, offset: 7n }])
    expect(positions.unresolved()).toMatchObject([t1])
  })

  test('handed out, then confirmed by the next request: only then is it committed', () => {
    const positions = standingAt(10n)
    expect(positions.handOut(only(positions), 15n)).toBe(true)
    expect(positions.uncommitted()).toEqual([])
    positions.confirm()
    expect(positions.uncommitted()).toEqual([{ ...t0, offset: 15n, metadata: '', member: member(1) }])
    positions.committed(positions.uncommitted())
    expect(positions.uncommitted()).toEqual([])
  })

  test('who was served last comes last, whoever else brought nothing', () => {
    const positions = new Positions()
    const partitions = [0, 1, 2].map(partition => ({ topic: 't', partition }))
    positions.assignManually(partitions)
    for (const asked of positions.unresolved()) positions.resolve(asked, 0n, true)
    const order = () => positions.readable().map(({ partition }) => partition)
    const serve = (partition: number, next: bigint) => {
      const at = positions.readable().find(each => each.partition === partition)
      if (at) positions.handOut(at, next)
    }
    expect(order()).toEqual([0, 1, 2])
    serve(0, 5n)
    serve(1, 0n)
    expect(order()).toEqual([1, 2, 0])
    serve(2, 1n)
    expect(order()).toEqual([1, 0, 2])
    expect(positions.partitions).toEqual(partitions)
  })

  test('a lost read is put back to where it began, not further', () => {
    const positions = standingAt(10n)
    positions.handOut(only(positions), 12n)
    positions.confirm()
    positions.handOut(only(positions), 13n)
    positions.handOut(only(positions), 19n)
    positions.putBack()
    expect(only(positions).offset).toBe(12n)
    positions.putBack()
    expect(only(positions).offset).toBe(12n)
  })

  test('what was fetched before a put-back, a seek or a rebalance is not handed out', () => {
    const positions = standingAt(10n)
    const fetched = only(positions)
    positions.handOut(fetched, 11n)
    positions.putBack()
    expect(positions.handOut(fetched, 12n)).toBe(false)
    const again = only(positions)
    positions.seek(t0, 3n)
    expect(positions.handOut(again, 12n)).toBe(false)
    const sought = only(positions)
    positions.assignGeneration([t0], member(2))
    expect(positions.handOut(sought, 12n)).toBe(false)
    expect(positions.isCurrent(sought)).toBe(false)
  })

  test('a look-up that a seek has overtaken is dropped', () => {
    const positions = new Positions()
    positions.assignGeneration([t0], member(1))
    const [asked] = positions.unresolved()
    positions.seek(t0, 4n)
    if (asked) positions.resolve(asked, 99n, true)
    expect(only(positions).offset).toBe(4n)
  })

  test('a position found by the reset policy is committed by auto-commit, the committed one is not', () => {
    const positions = new Positions()
    positions.assignGeneration([t0, t1], member(1))
    const [first, second] = positions.unresolved()
    if (first) positions.resolve(first, 5n, false)
    if (second) positions.resolve(second, 6n, true)
    expect(positions.uncommitted()).toMatchObject([{ ...t0, offset: 5n }])
    expect(positions.confirmed()).toMatchObject([
      { ...t0, offset: 5n },
      { ...t1, offset: 6n },
    ])
  })

  test('seeking to the end forgets the position until it was looked up', () => {
    const positions = standingAt(10n)
    positions.seekTo(t0, 'latest')
    expect(positions.readable()).toEqual([])
    expect(positions.unresolved()).toMatchObject([{ ...t0, target: 'latest' }])
    expect(positions.confirmed()).toEqual([])
  })

  test('an offset out of range is looked up anew, and the read that met it can still be put back', () => {
    const positions = standingAt(10n)
    positions.handOut(only(positions), 12n)
    positions.reset(only(positions))
    expect(positions.unresolved()).toMatchObject([{ ...t0, target: 'reset' }])
    positions.putBack()
    expect(only(positions).offset).toBe(10n)
    expect(positions.unresolved()).toEqual([])
  })

  test('an explicit commit carries the identity of the hand-out, over rebalances too', () => {
    const positions = standingAt(10n, 5)
    expect(positions.handedOutBy(t0)).toBeUndefined()
    positions.handOut(only(positions), 12n)
    expect(positions.handedOutBy(t0)).toEqual(member(5))
    positions.assignGeneration([t1], member(6))
    positions.assignGeneration([t0], member(7))
    expect(positions.handedOutBy(t0)).toEqual(member(5))
    for (const asked of positions.unresolved()) positions.resolve(asked, 11n, true)
    positions.handOut(only(positions), 12n)
    expect(positions.handedOutBy(t0)).toEqual(member(7))
    positions.clear()
    expect(positions.handedOutBy(t0)).toBeUndefined()
  })

  test("a client's own commit is not overwritten until the confirmed position moves on", () => {
    const positions = standingAt(10n)
    positions.handOut(only(positions), 20n)
    positions.confirm()
    positions.committedByClient({ ...t0, offset: 12n })
    expect(only(positions).offset).toBe(20n)
    expect(positions.uncommitted()).toEqual([])
    positions.handOut(only(positions), 21n)
    positions.confirm()
    expect(positions.uncommitted()).toMatchObject([{ offset: 21n }])
  })

  test('a commit of what was put back tells that the client has it: it is not handed out again', () => {
    const positions = standingAt(10n)
    positions.handOut(only(positions), 20n)
    positions.putBack()
    const fetched = only(positions)
    positions.committedByClient({ ...t0, offset: 15n })
    expect(only(positions).offset).toBe(15n)
    expect(positions.handOut(fetched, 12n)).toBe(false)
    expect(positions.uncommitted()).toEqual([])
  })

  test('a commit after a takeover tells what the client got from the earlier holder', () => {
    const positions = new Positions()
    positions.goOnFrom(
      new Map([['t/0', { ...t0, position: 10n, start: undefined, committed: 5n, clean: false }]]),
    )
    positions.assignGeneration([t0], member(1))
    for (const asked of positions.unresolved()) positions.resume(asked, 5n)
    positions.committedByClient({ ...t0, offset: 20n })
    expect(only(positions).offset).toBe(20n)
  })

  test('a commit that comes before the position was found voids what was looked up before it', () => {
    const positions = new Positions()
    positions.assignGeneration([t0], member(1))
    const [asked] = positions.unresolved()
    positions.committedByClient({ ...t0, offset: 20n })
    if (asked) positions.resolve(asked, 10n, true)
    expect(positions.readable()).toEqual([])
    expect(positions.unresolved()).toMatchObject([{ ...t0, target: 'committed' }])
  })

  test('a commit undoes no seek, and none that an earlier holder was asked for', () => {
    const positions = standingAt(10n)
    positions.seek(t0, 3n)
    positions.committedByClient({ ...t0, offset: 20n })
    expect(only(positions).offset).toBe(3n)
    const taken = new Positions()
    taken.goOnFrom(new Map([['t/0', { ...t0, position: 3n, start: undefined, committed: 10n, clean: true }]]))
    taken.assignGeneration([t0], member(1))
    for (const asked of taken.unresolved()) taken.resume(asked, 10n)
    taken.committedByClient({ ...t0, offset: 20n })
    expect(only(taken).offset).toBe(3n)
  })

  test('a commit that is answered after a rebalance says nothing about the new generation', () => {
    const positions = standingAt(10n, 1)
    positions.handOut(only(positions), 20n)
    positions.confirm()
    const late = positions.uncommitted()
    positions.assignGeneration([t0], member(2))
    for (const asked of positions.unresolved()) positions.resolve(asked, 10n, false)
    positions.committed(late)
    expect(positions.uncommitted()).toMatchObject([{ offset: 10n, member: member(2) }])
  })

  test('a manual assignment keeps the positions of partitions that stay', () => {
    const positions = new Positions()
    positions.assignManually([t0])
    for (const asked of positions.unresolved()) positions.resolve(asked, 3n, false)
    positions.assignManually([t1, t0])
    expect(positions.readable()).toMatchObject([{ ...t0, offset: 3n }])
    expect(positions.unresolved()).toMatchObject([t1])
    positions.assignManually([t1])
    expect(positions.isAssigned(t0)).toBe(false)
  })
})

/** One step of a client and of the world around it. */
type Step =
  | { readonly kind: 'read'; readonly records: number; readonly delivered: boolean }
  | { readonly kind: 'commit' }
  | { readonly kind: 'auto-commit' }
  | { readonly kind: 'rebalance' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('read' as const),
    records: fc.integer({ min: 0, max: 5 }),
    delivered: fc.boolean(),
  }),
  fc.constant({ kind: 'commit' as const }),
  fc.constant({ kind: 'auto-commit' as const }),
  fc.constant({ kind: 'rebalance' as const }),
)

/** Runs steps against one endless partition, and keeps what the client received and what Kafka holds. */
class World {
  readonly received = new Set<bigint>()
  duplicates = 0
  committed = 0n
  #generation = 1
  readonly #positions = new Positions()
  #outcome: boolean | undefined

  constructor() {
    this.#assign()
  }

  run(step: Step): void {
    if (step.kind === 'read' || step.kind === 'commit') this.#settle()
    if (step.kind === 'read') this.#read(step.records, step.delivered)
    if (step.kind === 'commit') this.#commit(this.#positions.confirmed())
    if (step.kind === 'auto-commit') this.#commit(this.#positions.uncommitted())
    if (step.kind === 'rebalance') {
      this.#generation++
      this.#assign()
    }
  }

  #read(records: number, delivered: boolean): void {
    const position = only(this.#positions)
    for (let offset = position.offset; offset < position.offset + BigInt(records); offset++) {
      if (!delivered) continue
      if (this.received.has(offset)) this.duplicates++
      this.received.add(offset)
    }
    this.#positions.handOut(position, position.offset + BigInt(records))
    this.#outcome = delivered
  }

  /** What the next request does about the last read. */
  #settle(): void {
    if (this.#outcome === true) this.#positions.confirm()
    if (this.#outcome === false) this.#positions.putBack()
    this.#outcome = undefined
  }

  #commit(commits: ReturnType<Positions['confirmed']>): void {
    for (const { offset } of commits) this.committed = offset
    this.#positions.committed(commits)
  }

  #assign(): void {
    this.#outcome = undefined
    this.#positions.assignGeneration([t0], member(this.#generation))
    for (const asked of this.#positions.unresolved()) {
      this.#positions.resolve(asked, this.committed, true)
    }
  }
}

describe('Positions over random histories', () => {
  test('nothing is committed that the client has not received', async () => {
    await checkProperty(
      'committed records were received',
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const world = new World()
        for (const next of steps) {
          world.run(next)
          for (let offset = 0n; offset < world.committed; offset++) {
            if (!world.received.has(offset)) return false
          }
        }
        return true
      }),
    )
  })

  test('without losses and rebalances each record comes once', async () => {
    const steady = step.filter(
      ({ kind, ...rest }) => kind !== 'rebalance' && !('delivered' in rest && !rest.delivered),
    )
    await checkProperty(
      'no duplicates in steady state',
      fc.property(fc.array(steady, { maxLength: 40 }), steps => {
        const world = new World()
        for (const next of steps) world.run(next)
        return world.duplicates === 0 && BigInt(world.received.size) >= world.committed
      }),
    )
  })
})

describe('going on from an earlier holder', () => {
  const recorded = (change: Partial<RecordedPosition> = {}) =>
    new Map([['t/0', { ...t0, position: 20n, start: undefined, committed: 10n, clean: false, ...change }]])

  /** Positions that were recorded, assigned again, and found with `committed`. */
  function resumed(record: ReadonlyMap<string, RecordedPosition>, committed: bigint | undefined) {
    const positions = new Positions()
    positions.goOnFrom(record)
    positions.assignGeneration([t0], member(1))
    const resumes = positions.unresolved().map(asked => positions.resume(asked, committed))
    return { positions, resumes }
  }

  test('its position counts while the commit is the one that it knew, even if it is the smaller one', () => {
    expect(only(resumed(recorded(), 10n).positions).offset).toBe(20n)
    expect(only(resumed(recorded({ position: 3n }), 10n).positions).offset).toBe(3n)
    expect(only(resumed(recorded({ committed: 'none' }), undefined).positions).offset).toBe(20n)
    expect(only(resumed(recorded({ committed: 'unknown' }), 15n).positions).offset).toBe(20n)
  })

  test.each([
    ['another commit', recorded(), 15n],
    ['a commit where there was none', recorded({ committed: 'none' }), 15n],
    ['no commit any more', recorded(), undefined],
    ['nothing recorded', new Map<string, RecordedPosition>(), 10n],
  ])('%s: the position is still to be found', (_, record, committed) => {
    const { positions, resumes } = resumed(record, committed)
    expect(resumes).toEqual([false])
    expect(positions.readable()).toEqual([])
  })

  test('a read that nobody has confirmed can still be put back, or confirmed', () => {
    const record = recorded({ start: 12n })
    const { positions } = resumed(record, 10n)
    expect(positions.uncommitted()).toMatchObject([{ offset: 12n }])
    positions.putBack()
    expect(only(positions).offset).toBe(12n)
    const { positions: confirmed } = resumed(record, 10n)
    confirmed.confirm()
    expect(confirmed.uncommitted()).toMatchObject([{ offset: 20n }])
  })

  test('an end that was asked for and not looked up yet is looked up here', () => {
    const { positions } = resumed(recorded({ position: 'latest' }), 10n)
    expect(positions.unresolved()).toMatchObject([{ ...t0, target: 'latest' }])
  })

  test('what was recorded is used once, and not after a rebalance', () => {
    const { positions } = resumed(recorded(), 10n)
    positions.assignGeneration([t0], member(2))
    expect(positions.unresolved().map(asked => positions.resume(asked, 10n))).toEqual([false])
  })

  test('until it is used it is recorded on: exactly, or without the read that may be lost', () => {
    const positions = new Positions()
    const record = recorded({ start: 12n })
    positions.goOnFrom(record)
    for (const assign of [() => undefined, () => positions.assignGeneration([t0], member(1))]) {
      assign()
      expect(positions.record('exact')).toEqual([...record.values()])
      expect(positions.record('confirmed')).toMatchObject([{ ...t0, position: 12n, start: undefined }])
    }
  })

  test('records what it knows: the position, the commit, and what auto-commit has to do', () => {
    const positions = standingAt(10n)
    expect(positions.record('confirmed')).toEqual([
      { ...t0, position: 10n, start: undefined, committed: 10n, clean: true },
    ])
    positions.handOut(only(positions), 15n)
    expect(positions.record('confirmed')).toMatchObject([{ position: 10n, start: undefined }])
    expect(positions.record('exact')).toMatchObject([{ position: 15n, start: 10n }])
    positions.confirm()
    positions.committed(positions.uncommitted())
    expect(positions.record('confirmed')).toMatchObject([{ position: 15n, committed: 15n, clean: true }])
    positions.seekTo(t0, 'earliest')
    expect(positions.record('confirmed')).toMatchObject([{ position: 'earliest', committed: 15n }])
  })
})
