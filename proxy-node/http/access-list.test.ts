import { expect, test } from 'vitest'
import { RestError } from '../../shared/errors/rest-error.ts'
import { mediaTypes } from '../../shared/rest/media-type.ts'
import { matchRoute } from '../../shared/rest/routes.ts'
import { type AccessLists, createAccessCheck } from './access-list.ts'

const open: AccessLists = { enabled: true, allow: [], block: [] }

/** The status that the lists answer, or 200. */
function statusOf(lists: Partial<AccessLists>, method: string, target: string, mediaType?: string): number {
  const match = matchRoute(method, target)
  if (match.outcome !== 'matched') throw new Error(`${target} is no route`)
  try {
    createAccessCheck({ ...open, ...lists })(match.route, mediaType)
    return 200
  } catch (error) {
    if (error instanceof RestError) return error.status
    throw error
  }
}

test('§9.47: with api.v2.enable=false every path is unknown', () => {
  expect(statusOf({ enabled: false }, 'GET', '/')).toBe(404)
  expect(statusOf({ enabled: false }, 'POST', '/topics/t')).toBe(404)
})

test('§9.48: a blocked GET is 404, others are 405; lists match exact names and whole classes', () => {
  const block = ['api.v2.topics.list', 'api.v2.produce-to-topic.json', 'api.v2.consumers.*']
  expect(statusOf({ block }, 'GET', '/topics')).toBe(404)
  expect(statusOf({ block }, 'GET', '/topics/t')).toBe(200)
  expect(statusOf({ block }, 'POST', '/topics/t', mediaTypes.json)).toBe(405)
  expect(statusOf({ block }, 'POST', '/topics/t', mediaTypes.binary)).toBe(200)
  expect(statusOf({ block }, 'POST', '/topics/t')).toBe(200)
  expect(statusOf({ block }, 'POST', '/consumers/g')).toBe(405)
  expect(statusOf({ block }, 'GET', '/consumers/g/instances/i/records', mediaTypes.avro)).toBe(404)
})

test('an allow list lets nothing else through, and a block list wins', () => {
  const allow = ['api.v2.produce-to-partition.*', 'api.v2.consumers.consume-json-schema']
  const partition = '/topics/t/partitions/0'
  expect(statusOf({ allow }, 'POST', partition, mediaTypes.avro)).toBe(200)
  expect(statusOf({ allow }, 'GET', partition)).toBe(404)
  expect(statusOf({ allow }, 'GET', '/consumers/g/instances/i/records', mediaTypes.jsonschema)).toBe(200)
  expect(statusOf({ allow }, 'GET', '/consumers/g/instances/i/records', mediaTypes.json)).toBe(404)
  const block = ['api.v2.produce-to-partition.avro']
  expect(statusOf({ allow, block }, 'POST', partition, mediaTypes.avro)).toBe(405)
})
