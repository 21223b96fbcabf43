import { expect, test, vi } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { cachingRegistryOptions } from '../../test/support/schema-registry-options.ts'
import { RegistryError, type RegistrySchema, type SchemaRegistry } from '../ports/schema-registry.ts'
import { CachingRegistry } from './caching-registry.ts'

const schema = (text = '"int"'): RegistrySchema => ({ type: 'AVRO', text, references: [] })
const notThere = new RegistryError('answered', 'not there', { status: 404, errorCode: 40403 })
const away = new RegistryError('unavailable', 'away')

/** A registry whose answers a test decides, to see what reaches it. */
function scripted() {
  return {
    schemaById: vi.fn<SchemaRegistry['schemaById']>(async id => schema(`${id}`)),
    schemaByGuid: vi.fn<SchemaRegistry['schemaByGuid']>(async guid => schema(guid)),
    schemaVersion: vi.fn<SchemaRegistry['schemaVersion']>(async subject => ({
      subject,
      version: 1,
      id: 1,
      schema: schema(),
    })),
    lookup: vi.fn<SchemaRegistry['lookup']>(async (subject, asked) => ({
      subject,
      version: 1,
      id: 1,
      schema: asked,
    })),
    register: vi.fn<SchemaRegistry['register']>(async () => ({ id: 1 })),
    versions: vi.fn<SchemaRegistry['versions']>(async () => [1]),
    stop: vi.fn<SchemaRegistry['stop']>(async () => undefined),
  } satisfies SchemaRegistry
}

function open(changes = {}) {
  const registry = scripted()
  const clock = new ManualClock()
  const observer = { hit: vi.fn(), miss: vi.fn() }
  const caching = new CachingRegistry(
    registry,
    { ...cachingRegistryOptions, ...changes },
    { clock, observer },
  )
  return { registry, clock, observer, caching }
}

test('an id is asked for once, for ever', async () => {
  const { registry, clock, observer, caching } = open()
  const both = await Promise.all([caching.schemaById(1), caching.schemaById(1)])
  expect(both).toEqual([schema('1'), schema('1')])
  await clock.advance(10 ** 9)
  await caching.schemaById(1)
  expect(registry.schemaById).toHaveBeenCalledTimes(1)
  expect([observer.hit.mock.calls.length, observer.miss.mock.calls.length]).toEqual([1, 2])
})

test('a caller that gives up does not end the call of the others', async () => {
  const { registry, caching } = open()
  const { promise, resolve } = Promise.withResolvers<RegistrySchema>()
  registry.schemaById.mockReturnValueOnce(promise)
  const gone = new AbortController()
  const first = caching.schemaById(1, gone.signal)
  const second = caching.schemaById(1)
  gone.abort(new Error('gone'))
  await expect(first).rejects.toThrow('gone')
  resolve(schema())
  expect(await second).toEqual(schema())
  expect(registry.schemaById.mock.calls[0]?.[1]).toBeUndefined()
})

test('the caches are bounded by entries and by text', async () => {
  const { registry, caching } = open({ entriesMax: 2 })
  for (const id of [1, 2, 3, 1]) await caching.schemaById(id)
  expect(registry.schemaById).toHaveBeenCalledTimes(4)
  const long = open({ charsMax: 10 })
  long.registry.schemaById.mockImplementation(async id => schema(`${id}`.repeat(6)))
  for (const id of [1, 2, 1]) await long.caching.schemaById(id)
  expect(long.registry.schemaById).toHaveBeenCalledTimes(3)
})

test('a look-up is believed for a time, and longer while the registry is away', async () => {
  const { registry, clock, caching } = open({ subjectFreshMs: 1000 })
  await caching.lookup('s', schema())
  await caching.lookup('s', schema())
  expect(registry.lookup).toHaveBeenCalledTimes(1)
  await clock.advance(1000)
  registry.lookup.mockRejectedValueOnce(away)
  expect(await caching.lookup('s', schema())).toMatchObject({ id: 1 })
  registry.lookup.mockRejectedValueOnce(notThere)
  await expect(caching.lookup('s', schema())).rejects.toBe(notThere)
})

test('what is looked up is known by its id', async () => {
  const { registry, caching } = open()
  await caching.lookup('s', schema())
  expect(await caching.schemaById(1)).toEqual(schema())
  expect(registry.schemaById).not.toHaveBeenCalled()
})

test('what is not there is not asked for again at once; an absence of the registry is', async () => {
  const { registry, clock, caching } = open({ missingFreshMs: 1000 })
  registry.schemaById.mockRejectedValue(notThere)
  await expect(caching.schemaById(1)).rejects.toBe(notThere)
  await expect(caching.schemaById(1)).rejects.toBe(notThere)
  expect(registry.schemaById).toHaveBeenCalledTimes(1)
  await clock.advance(1000)
  registry.schemaById.mockRejectedValue(away)
  await expect(caching.schemaById(1)).rejects.toBe(away)
  await expect(caching.schemaById(1)).rejects.toBe(away)
  expect(registry.schemaById).toHaveBeenCalledTimes(3)
})

test('what is registered is looked up anew', async () => {
  const { registry, caching } = open()
  registry.lookup.mockRejectedValueOnce(notThere)
  await expect(caching.lookup('s', schema())).rejects.toBe(notThere)
  await Promise.all([caching.register('s', schema()), caching.register('s', schema())])
  expect(registry.register).toHaveBeenCalledTimes(1)
  expect(await caching.lookup('s', schema())).toMatchObject({ id: 1 })
})
