import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { CallOptions } from './platformatic-connections.ts'
import { PlatformaticOffsets } from './platformatic-offsets.ts'

test('a commit can be called off until it is sent, and a look-up at any time', async () => {
  const calls: CallOptions[] = []
  const offsets = new PlatformaticOffsets({
    settings: { requestTimeoutMs: 1000, apiTimeoutMs: 1000, retryBackoffMs: 100, retryBackoffMaxMs: 100 },
    connections: {
      call: (_broker, options) => {
        calls.push(options)
        return Promise.reject(new Error('not sent here'))
      },
    },
    cluster: {
      leader: () => Promise.reject(new Error('not asked for here')),
      outdated: () => undefined,
    },
    coordinators: { call: (_group, _options, call) => call({ id: 1, host: 'broker', port: 9092 }) },
    clock: new ManualClock(),
    random: () => 0,
  })
  const { signal } = new AbortController()
  const partition = { topic: 't', partition: 0 }
  const commit = offsets.commit('g', undefined, [{ ...partition, offset: 1n, metadata: '' }], signal)
  await expect(commit).rejects.toThrow('not sent here')
  await expect(offsets.committed('g', [partition], signal)).rejects.toThrow('not sent here')
  expect(calls.map(call => [call.what, call.signal, call.finalOnceSent ?? false])).toEqual([
    ['A commit', signal, true],
    ['An offset look-up', signal, false],
  ])
})
