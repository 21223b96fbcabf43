import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instanceKey } from '../../shared/ids.ts'
import { checkProperty } from '../../test/support/property.ts'
import { type InstanceSpec, renderSpec } from './instance-spec.ts'
import { parseRecordedInstance } from './recorded-instance.ts'
import type { RecordedPosition } from './recorded-positions.ts'
import { compileTopicPattern } from './topic-pattern.ts'

const spec: InstanceSpec = {
  ref: { group: 'a/b', instance: 'ü' },
  settings: {
    format: 'avro',
    autoOffsetReset: { from: 'duration', durationMs: 5000 },
    autoCommit: true,
    fetchMinBytes: -1,
    requestTimeoutMs: 1000,
  },
  state: { kind: 'none' },
  partitions: [],
  memberId: '',
  groupInstanceId: '',
  resume: undefined,
}
const subscribed: InstanceSpec = {
  ...spec,
  state: { kind: 'topics', topics: ['t', 'u'] },
  memberId: 'm-1',
  groupInstanceId: 'gi',
}

const parse = (text: string) => parseRecordedInstance({ key: instanceKey(spec.ref), spec: text })

describe('what was recorded of an instance', () => {
  test('comes back for every kind of subscription', () => {
    const { ref, settings } = spec
    const nothing = { ref, settings, memberId: '', positions: new Map(), read: undefined }
    expect(parse(renderSpec(spec))).toEqual({ ...nothing, subscription: { kind: 'none' } })
    const partitions = [{ topic: 't', partition: 3 }]
    expect(parse(renderSpec({ ...spec, state: { kind: 'assigned' }, partitions }))).toEqual({
      ...nothing,
      subscription: { kind: 'assigned', partitions },
    })
    const pattern = compileTopicPattern('t.*')
    const resume = { joinedTopics: ['t1'], positions: [], read: undefined }
    const state = { kind: 'pattern', pattern, topics: ['t1', 't2'] } as const
    expect(parse(renderSpec({ ...subscribed, state, resume }))).toEqual({
      ...nothing,
      memberId: 'm-1',
      subscription: { kind: 'pattern', text: 't.*', joined: ['t1'] },
    })
  })

  test.each([
    [undefined, undefined],
    [
      ['t', 'u'],
      ['t', 'u'],
    ],
    [['t'], ['t']],
    [[], []],
  ])('tells which topics the member had joined with: %j', (joinedTopics, joined) => {
    const resume = { joinedTopics, positions: [], read: undefined }
    expect(parse(renderSpec({ ...subscribed, resume }))?.subscription).toEqual({
      kind: 'topics',
      topics: ['t', 'u'],
      joined,
    })
  })

  test('positions and an unconfirmed read come back, whatever they are', async () => {
    const offset = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
    const position: fc.Arbitrary<RecordedPosition> = fc.record({
      topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/),
      partition: fc.nat(),
      position: fc.oneof(offset, fc.constantFrom('reset', 'earliest', 'latest')),
      start: fc.option(offset, { nil: undefined }),
      committed: fc.oneof(offset, fc.constantFrom('none', 'unknown')),
      clean: fc.boolean(),
    })
    const read = fc.record({
      id: fc.uuid(),
      gatewayRun: fc.option(fc.uuid(), { nil: undefined }),
      delivered: fc.boolean(),
    })
    const positions = fc.uniqueArray(position, {
      selector: ({ topic, partition }) => `${topic}/${partition}`,
      maxLength: 20,
    })
    await checkProperty(
      'recorded positions',
      fc.property(positions, fc.option(read, { nil: undefined }), (list, last) => {
        const resume = { joinedTopics: undefined, positions: list, read: last }
        const recorded = parse(renderSpec({ ...subscribed, resume }))
        expect([...(recorded?.positions.values() ?? [])].toSorted(byName)).toEqual(list.toSorted(byName))
        expect(recorded?.read).toEqual(last)
      }),
    )
  })

  test.each([
    '',
    'null',
    '[]',
    '{}',
    renderSpec({ ...subscribed, state: { kind: 'topics', topics: ['t'.repeat(17_000)] } }),
    renderSpec(subscribed).replace('"avro"', '"string"'),
    renderSpec(subscribed).replace(',1,-1,', ',"yes",-1,'),
    renderSpec(subscribed).replace('["t","u"]', '["t",1]'),
    renderSpec(subscribed).replace('"v":2', '"v":1'),
    renderSpec(subscribed).replace('"m-1"', '1'),
    renderSpec(subscribed).replace(',5000,', ',"now",'),
    renderSpec(subscribed).replace(/}$/, ',"p":{"t":["0:1:x"]}}'),
    renderSpec(subscribed).replace(/}$/, ',"p":{"t":"0:1:2"}}'),
  ])('what is not whole is not taken over: %.60s', text => {
    expect(parse(text)).toBeUndefined()
  })

  test('a read that cannot be told of is none', () => {
    expect(parse(renderSpec(subscribed).replace(/}$/, ',"r":[1]}'))?.read).toBeUndefined()
  })
})

function byName(left: RecordedPosition, right: RecordedPosition): number {
  return `${left.topic}/${left.partition}` < `${right.topic}/${right.partition}` ? -1 : 1
}
