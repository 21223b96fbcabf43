import { expect, test } from 'vitest'
import {
  decodeAssignment,
  decodeStickyUserData,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts'

test('a subscription is written as ConsumerProtocolSubscription version 2', () => {
  const hex = encodeSubscription(['ab'], 7).toString('hex')
  //           version topics 1 "ab"    no user data no owned partitions generation
  expect(hex).toBe('0002' + '00000001' + '00026162' + 'ffffffff' + '00000000' + '00000007')
})

test('subscriptions of other versions are read', () => {
  const version0 = Buffer.from('0000' + '00000002' + '000161' + '000162' + 'ffffffff', 'hex')
  const version3 = Buffer.from(
    '0003' + '00000001' + '000161' + '00000002beef' + '00000000' + 'ffffffff' + '000172',
    'hex',
  )
  const nothing = { userData: null, owned: [], generation: -1 }
  expect(decodeSubscription(version0)).toEqual({ ...nothing, topics: ['a', 'b'] })
  expect(decodeSubscription(version3)).toEqual({
    ...nothing,
    topics: ['a'],
    userData: Buffer.from('beef', 'hex'),
  })
  expect(decodeSubscription(encodeSubscription(['ü', 't.1'], 7))).toEqual({
    ...nothing,
    topics: ['ü', 't.1'],
    generation: 7,
  })
})

test('partitions that a member owns are read, from its metadata and from the sticky assignor’s user data', () => {
  const owned = '00000001' + '000161' + '00000002' + '00000004' + '00000002'
  const partitions = [
    { topic: 'a', partition: 4 },
    { topic: 'a', partition: 2 },
  ]
  const version1 = Buffer.from('0001' + '00000001' + '000161' + 'ffffffff' + owned, 'hex')
  const version2 = Buffer.from('0002' + '00000001' + '000161' + 'ffffffff' + owned + '00000009', 'hex')
  expect(decodeSubscription(version1)).toMatchObject({ owned: partitions, generation: -1 })
  expect(decodeSubscription(version2)).toMatchObject({ owned: partitions, generation: 9 })
  expect(decodeStickyUserData(Buffer.from(`${owned}00000009`, 'hex'))).toEqual({
    owned: partitions,
    generation: 9,
  })
  expect(decodeStickyUserData(Buffer.from(owned, 'hex'))).toEqual({ owned: partitions, generation: -1 })
})

test('an assignment keeps its partitions', () => {
  const partitions = [
    { topic: 't', partition: 3 },
    { topic: 't', partition: 1 },
    { topic: 'u', partition: 0 },
  ]
  expect(decodeAssignment(encodeAssignment(partitions))).toEqual(partitions)
  expect(decodeAssignment(encodeAssignment([]))).toEqual([])
  expect(decodeAssignment(Buffer.alloc(0))).toEqual([])
})

test('bytes that are no subscription are refused', () => {
  expect(() => decodeSubscription(Buffer.from('0001000000050001', 'hex'))).toThrow()
})
