import { afterAll, describe, expect, test } from 'vitest'
import type { RegistrySchema, SchemaRegistry } from '../../proxy-node/ports/schema-registry.ts'
import { CachingRegistry } from '../../proxy-node/schema-registry/caching-registry.ts'
import { HttpRegistry } from '../../proxy-node/schema-registry/http-registry.ts'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import {
  cachingRegistryOptions,
  httpRegistryOptions,
  noObserver,
} from '../support/schema-registry-options.ts'
import { schemaRegistryUrl, uniqueName } from '../support/services.ts'

const deps = { clock: systemClock, log: silentLogger, observer: noObserver }

/** The first schema of a type takes the registry seconds on a busy machine. */
const openHttp = () =>
  new HttpRegistry(httpRegistryOptions([schemaRegistryUrl()], { callTimeoutMs: 30_000 }), deps)

const adapters: Record<string, () => SchemaRegistry> = {
  HttpRegistry: openHttp,
  CachingRegistry: () => new CachingRegistry(openHttp(), cachingRegistryOptions, deps),
}

const avro = (name: string): RegistrySchema => ({
  type: 'AVRO',
  text: JSON.stringify({ type: 'record', name, fields: [{ name: 'a', type: 'int' }] }),
  references: [],
})

describe.each(Object.entries(adapters))('%s', (_, open) => {
  const registry = open()
  afterAll(() => registry.stop())

  const types: [string, RegistrySchema][] = [
    ['Avro', avro(uniqueName('R').replace('-', '_'))],
    [
      'JSON Schema',
      {
        type: 'JSON',
        text: `{"$schema":"http://json-schema.org/draft-07/schema#","title":"${uniqueName('t')}","type":"object"}`,
        references: [],
      },
    ],
    [
      'Protobuf',
      {
        type: 'PROTOBUF',
        text: `syntax = "proto3";\nmessage M { string ${uniqueName('f').replace('-', '_')} = 1; }\n`,
        references: [],
      },
    ],
  ]

  test.each(types)('%s: what was registered is found by id, version and text', async (_name, schema) => {
    const subject = `${uniqueName('subject')}/ä b-value`
    expect(await registry.versions(subject)).toEqual([])
    const { id } = await registry.register(subject, schema)
    expect(await registry.register(subject, schema)).toEqual({ id })
    expect(await registry.schemaById(id)).toEqual(schema)
    expect(await registry.lookup(subject, schema)).toEqual({ subject, version: 1, id, schema })
    expect(await registry.schemaVersion(subject, 1)).toEqual({ subject, version: 1, id, schema })
    expect(await registry.schemaVersion(subject, 'latest')).toEqual({ subject, version: 1, id, schema })
    expect(await registry.versions(subject)).toEqual([1])
  })

  test('references keep their names, subjects and versions', async () => {
    const [money, order] = [uniqueName('money'), uniqueName('order')]
    const name = uniqueName('Money').replace('-', '_')
    await registry.register(money, avro(name))
    const schema: RegistrySchema = {
      type: 'AVRO',
      text: JSON.stringify({ type: 'record', name: 'Order', fields: [{ name: 'price', type: name }] }),
      references: [{ name, subject: money, version: 1 }],
    }
    const { id } = await registry.register(order, schema)
    expect(await registry.schemaById(id)).toEqual(schema)
    expect((await registry.lookup(order, schema)).id).toBe(id)
  })

  test('what is not there is refused with the registry’s own code', async () => {
    const subject = uniqueName('none')
    const unknown = (errorCode: number) =>
      expect.objectContaining({ kind: 'answered', status: 404, errorCode })
    await expect(registry.schemaById(2 ** 31 - 1)).rejects.toEqual(unknown(40403))
    await expect(registry.lookup(subject, avro('R'))).rejects.toEqual(unknown(40401))
    await expect(registry.schemaVersion(subject, 1)).rejects.toEqual(unknown(40401))
    await registry.register(subject, avro('R'))
    await expect(registry.lookup(subject, avro('Other'))).rejects.toEqual(unknown(40403))
    await expect(registry.schemaVersion(subject, 9)).rejects.toEqual(unknown(40402))
  })

  test('what was not there is found once it is', async () => {
    const subject = uniqueName('later')
    await expect(registry.lookup(subject, avro('R'))).rejects.toMatchObject({ status: 404 })
    const { id } = await registry.register(subject, avro('R'))
    expect(await registry.lookup(subject, avro('R'))).toMatchObject({ id, version: 1 })
  })

  test('what the registry cannot parse is refused', async () => {
    const bad = { type: 'AVRO', text: '{foo', references: [] }
    await expect(registry.register(uniqueName('bad'), bad)).rejects.toMatchObject({
      kind: 'answered',
      status: 422,
      errorCode: 42201,
      message: expect.stringMatching(/; error code: 42201$/),
    })
  })

  test('a caller that gives up gets its own reason', async () => {
    const gone = new Error('gone')
    await expect(registry.schemaById(2 ** 31 - 2, AbortSignal.abort(gone))).rejects.toBe(gone)
  })
})
