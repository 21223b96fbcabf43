import {
  avro,
  badPath,
  harmless,
  json,
  noInstance,
  noNumber,
  noPartition,
  notAcceptable,
  notFound,
  request,
  v2,
  wrongMethod,
  wrongType,
} from './bad-request-parts.ts'
import type { BadRequest, BadRequestSubjects, Expected } from './bad-requests.ts'

type Row = readonly [method: string, target: string, expected: Expected]

/** Paths that no operation has. Segments are matched as they came: nothing is folded or decoded first. */
const unknown: readonly string[] = [
  '/nope',
  '/topics//',
  '//topics',
  '/Topics',
  '/topics/t/partition',
  '/topics/t/partitions/0/offsets/x',
  '/topics/t/configs',
  '/consumers',
  '/consumers/',
  '/consumers/g/instances',
  '/consumers//instances/i/records',
  '/consumers/g/instances//records',
  '/consumers/g/instances/i/assignment',
  '/consumers/g/instances/i/positions/middle',
  '/topics/../brokers',
  '/./topics',
  '/%2e%2e/topics',
  '/topics%2f',
  '/%74opics',
  '/topics;a=b',
  '/etc/passwd',
  '/../../etc/passwd',
  '/internal',
  '/internal/identity',
  '/internal/instances/g/i',
  '/internal/death-check',
  '/internal/read-outcomes',
  '/metrics',
  '/health',
  '/ready',
  '/admin',
  '/v3/clusters/x/y/z',
  '/favicon.ico',
  '/<script>alert(1)</script>',
]

const methods: readonly (readonly [string, string])[] = [
  ['PUT', '/'],
  ['PATCH', '/'],
  ['DELETE', '/'],
  ['TRACE', '/'],
  ['PROPFIND', '/'],
  ['POST', '/brokers'],
  ['POST', '/topics'],
  ['DELETE', '/topics/t'],
  ['PUT', '/topics/t'],
  ['DELETE', '/topics/t/partitions'],
  ['POST', '/topics/t/partitions'],
  ['POST', '/topics/t/partitions/0/offsets'],
  ['GET', '/consumers/g'],
  ['DELETE', '/consumers/g'],
  ['GET', '/consumers/g/instances/i'],
  ['POST', '/consumers/g/instances/i'],
  ['POST', '/consumers/g/instances/i/records'],
  ['DELETE', '/consumers/g/instances/i/records'],
  ['PUT', '/consumers/g/instances/i/subscription'],
  ['DELETE', '/consumers/g/instances/i/assignments'],
  ['GET', '/consumers/g/instances/i/positions'],
  ['GET', '/consumers/g/instances/i/positions/end'],
]

const malformed: readonly string[] = [
  '/topics/%zz',
  '/topics/%',
  '/topics/%e4',
  '/topics/%c3%28',
  '/topics/%ed%a0%80',
  '/topics/t/partitions/%ff',
  '/consumers/%/instances/i/records',
  '/consumers/g/instances/%c0%af/records',
]

/** Kafka's own text for a name that no topic can have (contract v2 §2.4). */
const invalidTopic: Expected = {
  status: 400,
  code: 40002,
  text: 'The request attempted to perform an operation on an invalid topic.',
}
const unknownTopic: Expected = {
  status: 404,
  code: 40403,
  text: 'This server does not host this topic-partition.',
}

function topicRows(topic: string): Row[] {
  const names = ['a%20b', '.', '..', '%2e%2e', 'a%2Fb', '%00', 'a%0Ab', '%F0%9F%92%A9', 'a:b', '*']
  const partitions = [
    'abc',
    '1.5',
    '0x1',
    '%20',
    '%200',
    '1e0',
    '2147483648',
    '-2147483649',
    '99999999999999999999',
  ]
  return [
    ...names.map(name => ['GET', `/topics/${name}`, invalidTopic] as const),
    ['GET', `/topics/${'a'.repeat(250)}`, invalidTopic],
    ['GET', '/topics/..%2f..%2fetc/partitions', invalidTopic],
    ['GET', '/topics/no-such-topic-here', unknownTopic],
    ['GET', '/topics/no-such-topic-here/partitions', unknownTopic],
    ['GET', '/topics/no-such-topic-here/partitions/0', unknownTopic],
    ['GET', '/topics/no-such-topic-here/partitions/0/offsets', unknownTopic],
    ...partitions.map(id => ['GET', `/topics/${topic}/partitions/${id}`, noNumber] as const),
    ['GET', `/topics/${topic}/partitions/-1`, noPartition],
    ['GET', `/topics/${topic}/partitions/1`, noPartition],
    ['GET', `/topics/${topic}/partitions/2147483647`, noPartition],
    ['GET', `/topics/${topic}/partitions/4294967296/offsets`, noNumber],
    ['GET', `/topics/${topic}/partitions/77/offsets`, noPartition],
    ['GET', `/topics/${topic}/partitions/%30`, harmless(200, '"partition":0')],
    ['GET', `/topics/${topic}/partitions/-0`, harmless(200, '"partition":0')],
    ['GET', `/topics/${topic}?a=%zz&&&=&%00`, harmless(200, topic)],
    ['GET', `/topics/${topic}?/../../brokers`, harmless(200, topic)],
    ['GET', '//', harmless(200, '{}')],
    ['OPTIONS', '/topics', harmless(200, 'GET')],
  ]
}

/** Instances that are none, and numbers of a query. */
function instanceRows({ group, idle, assigned }: BadRequestSubjects): Row[] {
  const at = `/consumers/${group}/instances`
  const numbers = [
    'abc',
    '1.5',
    '1e3',
    '0x10',
    '%201',
    '1,2',
    'null',
    '9223372036854775808',
    '-9223372036854775809',
  ]
  return [
    ['GET', `${at}/nobody/records`, noInstance],
    ['GET', `${at}/%2e%2e/records`, noInstance],
    ['GET', `${at}/%2e/records`, noInstance],
    ['GET', `${at}/../records`, noInstance],
    ['GET', `${at}/${idle}%00/records`, noInstance],
    ['GET', `${at}/${idle}%2F/records`, noInstance],
    ['GET', `${at}/${idle.toUpperCase()}/records`, noInstance],
    ['GET', `${at}/${'a'.repeat(3000)}/records`, noInstance],
    ['GET', `/consumers/${group}%20/instances/${idle}/records`, noInstance],
    ['GET', `/consumers/other/instances/${idle}/records`, noInstance],
    ['DELETE', `${at}/nobody`, noInstance],
    ['GET', `${at}/nobody/subscription`, noInstance],
    ['DELETE', `${at}/nobody/subscription`, noInstance],
    ['GET', `${at}/nobody/assignments`, noInstance],
    ['GET', `${at}/nobody/offsets`, noPartition],
    ['GET', `${at}/nobody/records?timeout=abc`, noNumber],
    ...numbers.map(text => ['GET', `${at}/${idle}/records?timeout=${text}`, noNumber] as const),
    ...numbers.map(text => ['GET', `${at}/${idle}/records?max_bytes=${text}`, noNumber] as const),
    ['GET', `${at}/${idle}/offsets`, noPartition],
    ['GET', `${at}/${assigned}/subscription?timeout=abc`, harmless(200, '{"topics":[]}')],
  ]
}

/** Media types at the operations that have more than one. */
function typeRows({ group, idle, assigned, topic }: BadRequestSubjects): BadRequest[] {
  const at = `/consumers/${group}/instances`
  const read = `${at}/${idle}/records`
  const mismatch: Expected = {
    status: 406,
    code: 40601,
    text: 'The requested embedded data format does not match the deserializer for this consumer instance',
  }
  const accepting = (accept: string, target: string) => request('GET', target, { Accept: accept })
  const typed = (type: string, method: string, target: string) =>
    request(method, target, { 'Content-Type': type })
  const row = (name: string, bytes: Buffer, expected: Expected) => ({ name, bytes, expected })
  return [
    row('read a binary instance as json', accepting(json, read), mismatch),
    row('read a binary instance as avro', accepting(avro, read), mismatch),
    row('read a json instance with no Accept', request('GET', `${at}/${assigned}/records`), mismatch),
    row(
      'read a json instance with a wildcard',
      accepting(`${json}, */*`, `${at}/${assigned}/records`),
      mismatch,
    ),
    row('read as plain JSON', accepting('application/json', read), notAcceptable),
    row(
      'delete with an Accept that cannot be met',
      request('DELETE', `${at}/${idle}`, { Accept: 'a/b' }),
      notAcceptable,
    ),
    row('read with a Content-Type of plain JSON', typed('application/json', 'GET', read), wrongType),
    row(
      'delete with a Content-Type of plain JSON',
      typed('application/json', 'DELETE', `${at}/${idle}`),
      wrongType,
    ),
    row('produce metadata', typed(v2, 'POST', `/topics/${topic}`), wrongType),
    row('produce bytes', typed('application/octet-stream', 'POST', `/topics/${topic}`), wrongType),
    row(
      'produce version 3',
      typed('application/vnd.kafka.binary.v3+json', 'POST', `/topics/${topic}`),
      wrongType,
    ),
    row(
      'produce and accept a format',
      request('POST', `/topics/${topic}`, { 'Content-Type': json, Accept: json }, '{}'),
      notAcceptable,
    ),
    row(
      'create with a form',
      typed('application/x-www-form-urlencoded', 'POST', `/consumers/${group}`),
      wrongType,
    ),
    row('a wrong type beats a missing instance', typed('a/b', 'GET', `${at}/nobody/records`), wrongType),
    row('a wrong Accept beats a missing instance', accepting('a/b', `${at}/nobody/records`), notAcceptable),
    row('a wrong method beats a wrong type', typed('a/b', 'PUT', `${at}/${idle}/records`), wrongMethod),
    row('an unknown path beats a wrong type', typed('a/b', 'GET', '/nope'), notFound),
  ]
}

/** Targets that lead nowhere, or nearly so. */
export function badTargets(subjects: BadRequestSubjects): BadRequest[] {
  const rows: Row[] = [
    ...unknown.map(target => ['GET', target, notFound] as const),
    ['POST', '/internal/death-check', notFound],
    ['POST', '/internal/read-outcomes', notFound],
    ...methods.map(([method, target]) => [method, target, wrongMethod] as const),
    ...malformed.map(target => ['GET', target, badPath] as const),
    ...topicRows(subjects.topic),
    ...instanceRows(subjects),
  ]
  return [
    ...rows.map(([method, target, expected]) => ({
      name: `${method} ${target.length > 80 ? `${target.slice(0, 60)}… (${target.length})` : target}`,
      bytes: request(method, target),
      expected,
    })),
    ...typeRows(subjects),
  ]
}
