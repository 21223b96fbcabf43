import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../shared/observability/logger.ts'
import { knownNode } from '../../test/support/known-node.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { noMeter } from '../metrics.ts'
import type { ReadReport } from '../routing/asked-nodes.ts'
import type { KnownNode } from '../routing/node-view.ts'
import { ReadOutcomes } from './read-outcomes.ts'

const node = knownNode('a')
const open = new AbortController().signal

function setUp() {
  const clock = new ManualClock()
  const sent: ReadReport[][] = []
  const other: KnownNode = { ...node, id: 'b', incarnation: 'other' }
  const state = {
    confirms: true,
    known: true,
    dead: false,
    deathLooks: 0,
    movedTo: undefined as KnownNode | undefined,
    handingOver: undefined as Promise<void> | undefined,
  }
  const toldOther: ReadReport[] = []
  const reads = new ReadOutcomes({
    report: async (asked, reports, patience) => {
      if (asked === other) toldOther.push(...reports)
      else sent.push([...reports])
      // Longer than a question waits.
      if (asked !== other && patience === 'hand-over') await state.handingOver
      else if (asked !== other && state.handingOver !== undefined) return undefined
      if (!state.confirms) return undefined
      return { notHeld: new Set(state.movedTo && asked !== other ? ['g/i'] : []) }
    },
    holderOf: async () => state.movedTo,
    isKnown: asked => asked === other || state.known,
    isDead: async () => {
      state.deathLooks += 1
      return state.dead
    },
    quietMs: 100,
    clock,
    log: silentLogger,
    meter: noMeter,
  })
  return { clock, sent, state, reads, other, toldOther }
}

const good = (id: string) => ({ key: 'g/i', read_id: id, delivered: true })
const bad = (id: string) => ({ key: 'g/i', read_id: id, delivered: false })

describe('ReadOutcomes', () => {
  test('news of an instance that was handed over follows it', async () => {
    const { clock, state, reads, other, toldOther } = setUp()
    state.movedTo = other
    const delivered = reads.watch(node, 'g/i', '1')
    delivered('ended')
    delivered('received')
    await clock.advance(20)
    expect(toldOther).toEqual([good('1')])
    reads.watch(node, 'g/i', '2')('failed')
    await reads.settled('g/i', open)
    expect(toldOther).toEqual([good('1'), bad('2')])
  })

  test('good news follows an instance that is still being handed over', async () => {
    const { clock, state, reads, other, toldOther } = setUp()
    const handOver = Promise.withResolvers<void>()
    state.handingOver = handOver.promise
    reads.watch(node, 'g/i', '1')('received')
    await clock.advance(1000)
    expect(toldOther).toEqual([])
    state.movedTo = other
    handOver.resolve()
    await clock.advance(0)
    expect(toldOther).toEqual([good('1')])
  })

  test('bad news follows an instance whose node has left', async () => {
    const { state, reads, other, sent, toldOther } = setUp()
    state.known = false
    state.movedTo = other
    reads.watch(node, 'g/i', '1')('failed')
    await reads.settled('g/i', open)
    expect([sent, toldOther]).toEqual([[], [bad('1')]])
  })

  test('bad news is not told again and again to a node that is proved dead', async () => {
    const { clock, state, reads, other, sent, toldOther } = setUp()
    state.confirms = false
    reads.watch(node, 'g/i', '1')('failed')
    // It may only be slow to answer.
    await clock.advance(900)
    expect([sent.length, state.deathLooks]).toEqual([10, 1])
    state.dead = true
    await clock.advance(100)
    await reads.settled('g/i', open)
    expect([sent.length, toldOther]).toEqual([11, []])
    // Another node went on with the instance.
    state.movedTo = other
    reads.watch(node, 'g/i', '2')('failed')
    state.confirms = true
    await reads.settled('g/i', open)
    expect(toldOther).toEqual([bad('2')])
  })

  test('good news is told once, in batches, when the connection goes on or stays quiet', async () => {
    const { clock, sent, reads } = setUp()
    const first = reads.watch(node, 'g/i', '1')
    const second = reads.watch(node, 'g/i', '2')
    const third = reads.watch(node, 'g/i', '3')
    first('ended')
    second('ended')
    third('ended')
    expect(sent).toEqual([])
    first('received')
    second('received')
    await clock.advance(20)
    expect(sent).toEqual([[good('1'), good('2')]])
    await clock.advance(79)
    expect(sent).toHaveLength(1)
    await clock.advance(21)
    expect(sent).toEqual([[good('1'), good('2')], [good('3')]])
    third('received')
    await clock.advance(1000)
    expect(sent).toHaveLength(2)
  })

  test('a reset after good news takes it back', async () => {
    const { clock, sent, reads } = setUp()
    const watch = reads.watch(node, 'g/i', '1')
    watch('ended')
    await clock.advance(120)
    watch('failed')
    await clock.advance(0)
    expect(sent).toEqual([[good('1')], [bad('1')]])
  })

  test('bad news is sent until it is confirmed; meanwhile later requests for the instance wait', async () => {
    const { clock, sent, state, reads } = setUp()
    state.confirms = false
    reads.watch(node, 'g/i', '1')('failed')
    await clock.advance(0)
    let passed = false
    const waiting = reads.settled('g/i', open).then(() => {
      passed = true
    })
    await reads.settled('g/other', open)
    await clock.advance(300)
    expect([passed, sent.length]).toEqual([false, 4])
    state.confirms = true
    await clock.advance(100)
    await waiting
    expect(sent.at(-1)).toEqual([bad('1')])
    await reads.settled('g/i', open)
  })

  test('a request does not wait for ever: it is refused, to be tried again', async () => {
    const { clock, state, reads } = setUp()
    state.confirms = false
    reads.watch(node, 'g/i', '1')('failed')
    const refused = expect(reads.settled('g/i', open)).rejects.toMatchObject({ row: 'ownerUnreachable' })
    await clock.advance(1000)
    await refused
  })

  test('a node that is gone is told nothing more', async () => {
    const { clock, sent, state, reads } = setUp()
    state.confirms = false
    reads.watch(node, 'g/i', '1')('failed')
    await clock.advance(0)
    state.known = false
    await clock.advance(5000)
    expect(sent).toHaveLength(1)
    await reads.settled('g/i', open)
  })

  test('good news in a batch goes out at once when a request for its instance comes', async () => {
    const { sent, reads } = setUp()
    reads.watch(node, 'g/i', '1')('received')
    await reads.settled('g/other', open)
    expect(sent).toEqual([])
    await reads.settled('g/i', open)
    expect(sent).toEqual([[good('1')]])
  })

  test('stopping tells what is still to be told', async () => {
    const { sent, reads } = setUp()
    reads.watch(node, 'g/i', '1')('received')
    await reads.stop()
    expect(sent).toEqual([[good('1')]])
  })
})
