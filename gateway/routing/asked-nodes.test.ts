import { expect, test } from 'vitest'
import { knownNode } from '../../test/support/known-node.ts'
import type { NodeQuestion } from '../upstream/forwarder.ts'
import { AskedNodes } from './asked-nodes.ts'

const node = knownNode('a')

test('a report that may meet a hand-over waits as long as one takes, any other as long as a question', async () => {
  const asked: NodeQuestion[] = []
  const questions = new AskedNodes({
    forwarder: {
      ask: async question => {
        asked.push(question)
        return { status: 200, body: '{"not_held":["g/i"]}' }
      },
      accept: () => {
        throw new Error('no client asks here')
      },
      stop: () => Promise.resolve(),
    },
    token: 'secret',
    timeoutMs: 200,
    takeoverTimeoutMs: 5000,
  })
  const reports = [{ key: 'g/i', read_id: '1', delivered: true }]
  expect(await questions.report(node, reports)).toEqual({ notHeld: new Set(['g/i']) })
  await questions.report(node, reports, 'hand-over')
  expect(asked.map(({ timeoutMs }) => timeoutMs)).toEqual([200, 5000])
})
