import type { ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { ConnectionWatch } from './connection-watch.ts'
import type { Delivery, UpstreamAnswer } from './forwarder.ts'
import { failureOf, NodeExchange } from './node-exchange.ts'

test('an answer for a client that the listener has refused by now is dropped, and the refusal goes out whole', async () => {
  const clock = new ManualClock()
  const outgoing = { destroyed: false, headersSent: false, destroys: 0, destroy: () => outgoing.destroys++ }
  const aborted: unknown[] = []
  const controller = {
    rawHeaders: [],
    pause: () => undefined,
    abort: (reason: unknown) => void aborted.push(reason),
  } as unknown as Dispatcher.DispatchController
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>()
  const exchange = new NodeExchange(
    {
      outgoing: outgoing as unknown as ServerResponse,
      watch: new ConnectionWatch({ clock, lingerMs: 100 }),
      clock,
      writeTimeoutMs: 1000,
      onWriteStalled: () => undefined,
    },
    [],
    { resolve, reject },
    undefined,
  )
  exchange.onRequestStart(controller)
  exchange.onResponseStart(controller, 404)
  const answer = await promise
  outgoing.headersSent = true
  const deliveries: Delivery[] = []
  answer.deliver({ headers: {}, onDelivery: delivery => void deliveries.push(delivery) })
  expect([deliveries, aborted.length, outgoing.destroys, exchange.over]).toEqual([['failed'], 1, 0, true])
})

test('the code of a dial means that nothing was sent only while nothing was', () => {
  const error = Object.assign(new Error('read EHOSTUNREACH'), { code: 'EHOSTUNREACH' })
  expect(failureOf(error, 'sent')).toMatchObject({ stage: 'sent', reason: 'lost' })
  expect(failureOf(error, 'unsent')).toMatchObject({ stage: 'unsent', reason: 'unreachable' })
  expect(failureOf(error, 'unclear')).toMatchObject({ stage: 'unsent', reason: 'unreachable' })
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  expect(failureOf(refused, 'unclear')).toMatchObject({ stage: 'unsent', reason: 'refused' })
})
