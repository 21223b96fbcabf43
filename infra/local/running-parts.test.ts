import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { PartExit, PartProcess } from './part-process.ts'
import { type Part, RunningParts } from './running-parts.ts'

/** A part without a process: only its end is seen by RunningParts. */
function fakePart(name: string, stopped: string[]) {
  const { promise: exited, resolve: exit } = Promise.withResolvers<PartExit>()
  const process = { name, exited } as PartProcess
  const stop = async () => {
    stopped.push(name)
    exit({ code: 0, signal: null })
  }
  return { part: { process, stop } satisfies Part, exit }
}

test('parts are stopped in the reverse of the order in which they came up, once', async () => {
  const stopped: string[] = []
  const parts = new RunningParts()
  for (const name of ['a', 'b', 'c']) await parts.add(Promise.resolve(fakePart(name, stopped).part))
  await Promise.all([parts.stopAll(), parts.stopAll()])
  expect(stopped).toEqual(['c', 'b', 'a'])
})

test('a part that ends by itself is told of; one that is stopped is not', async () => {
  const ended: string[] = []
  const parts = new RunningParts()
  parts.onUnexpectedEnd(name => ended.push(name))
  const broken = fakePart('broken', [])
  await parts.add(Promise.resolve(broken.part))
  await parts.add(Promise.resolve(fakePart('fine', []).part))
  broken.exit({ code: 1, signal: null })
  await turn()
  await parts.stopAll()
  await turn()
  expect(ended).toEqual(['broken'])
})

test('when one of several starts fails the others are aborted, and the first failure is thrown', async () => {
  const parts = new RunningParts()
  const slow = new Promise<never>((_, reject) => {
    parts.signal.addEventListener('abort', () => reject(new Error('aborted')))
  })
  const failing = Promise.reject(new Error('no java'))
  await expect(parts.together([parts.add(slow), parts.add(failing)])).rejects.toThrow('no java')
})

test('a start that ends after stopAll was asked for is awaited and its part stopped', async () => {
  const stopped: string[] = []
  const parts = new RunningParts()
  const late = Promise.withResolvers<Part>()
  const added = parts.add(late.promise)
  const all = parts.stopAll()
  late.resolve(fakePart('late', stopped).part)
  await expect(added).rejects.toThrow('stopping')
  await all
  expect(stopped).toEqual(['late'])
})
