import { expect, test } from 'vitest'
import { instanceKey } from '../../shared/ids.ts'
import { deadMemberOf, type InstanceSpec, renderSpec } from './instance-spec.ts'

const spec: InstanceSpec = {
  ref: { group: 'g', instance: 'i' },
  settings: {
    format: 'json',
    autoOffsetReset: { from: 'latest' },
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

const recorded = (text: string) => ({ key: instanceKey(spec.ref), spec: text })

test('the recorded member can be removed by whoever comes after', () => {
  expect(deadMemberOf(recorded(renderSpec(spec)))).toBeUndefined()
  const identity = { memberId: 'm-1', groupInstanceId: 'rest-n-i' }
  const joined = renderSpec({ ...spec, ...identity, state: { kind: 'topics', topics: ['t'] } })
  expect(deadMemberOf(recorded(joined))).toEqual({ group: 'g', memberId: 'm-1', groupInstanceId: 'rest-n-i' })
  expect(JSON.parse(joined)).toMatchObject({ topics: ['t'], s: ['json', 'latest', 1, -1, 1000] })
})

test.each([
  ['rest-n-i', 'rest-n-i-0b1c', '"m":["0b1c"],"gi":["rest-n-"]'],
  ['rest-h-12ab', 'rest-h-12ab-0b1c', '"m":["0b1c"],"gi":"rest-h-12ab"'],
  ['rest-n-i', 'other', '"m":"other","gi":["rest-n-"]'],
])('of a member %s %s only what the instance does not say is recorded', (groupInstanceId, memberId, text) => {
  const rendered = renderSpec({ ...spec, groupInstanceId, memberId })
  expect(rendered).toContain(text)
  expect(deadMemberOf(recorded(rendered))).toEqual({ group: 'g', memberId, groupInstanceId })
})

test('a subscription that is too large is left out, the member is not', () => {
  const topics = Array.from({ length: 2000 }, (_, index) => `a-topic-${index}`)
  const rendered = renderSpec({
    ...spec,
    memberId: 'm',
    groupInstanceId: 'gi',
    state: { kind: 'topics', topics },
  })
  expect(rendered.length).toBeLessThan(1000)
  expect(deadMemberOf(recorded(rendered))?.memberId).toBe('m')
})

test.each(['', 'null', '[]', '{"m":1,"gi":"y"}', '{"m":["m"],"gi":[1]}', '{"m":"m","gi":""}', '{'])(
  'a spec that is none names no member: %s',
  text => {
    expect(deadMemberOf(recorded(text))).toBeUndefined()
  },
)
