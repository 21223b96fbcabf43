import {
  commit,
  ends,
  field,
  listFields,
  missingBody,
  partitionFields,
  partitions,
  positions,
  type Row,
} from './bad-partition-bodies.ts'
import {
  badJson,
  brokenJson,
  type Field,
  harmless,
  illegalState,
  invalid,
  noInstance,
  noPartition,
  request,
  unknownField,
  v2,
  wrongFields,
} from './bad-request-parts.ts'
import type { BadRequest, BadRequestSubjects, Expected } from './bad-requests.ts'

/** One operation with a body: what is wrong with each of its fields, and what else can be. */
interface Operation {
  readonly name: string
  readonly method: 'POST' | 'GET'
  readonly path: string
  readonly fields: readonly Field[]
  readonly rows: readonly Row[]
}

const config = (text: string): Expected => ({
  status: 422,
  code: 42204,
  prefix: `Invalid consumer configuration: ${text}`,
})
const range = (text: string): Expected => ({
  status: 422,
  code: 40001,
  text: `Invalid consumer configuration. It does not abide by the constraints: ${text}`,
})

const createStrings = ['id', 'name', 'format', 'auto.offset.reset', 'auto.commit.enable']
const createInts = ['fetch.min.bytes', 'responseMinBytes', 'consumer.request.timeout.ms', 'requestWaitMs']

function create({ idle }: BadRequestSubjects): readonly Row[] {
  const blank = (was: string) =>
    invalid(`createGroup.<return value>.instanceId must not be blank (was ${was})`)
  const exists: Expected = {
    status: 409,
    code: 40902,
    text: 'Consumer with specified consumer ID already exists in the specified consumer group.',
  }
  const bounds = 'for configuration fetch.min.bytes: Value must be'
  return [
    ['an empty name', '{"name":""}', blank('')],
    ['a blank name', '{"name":" \\t"}', blank(' \t')],
    ['an empty id beside a name', '{"id":"","name":"x"}', blank('')],
    ['the name .', '{"name":"."}', invalid('createGroup.arg2.name must not be "." or ".."')],
    ['the id ..', '{"id":".."}', invalid('createGroup.arg2.id must not be "." or ".."')],
    [
      'a name of 250 bytes',
      JSON.stringify({ name: 'ä'.repeat(125) }),
      invalid('createGroup.arg2.name must not be longer than 249 bytes'),
    ],
    [
      'a name that is half a character',
      '{"name":"\\ud800"}',
      invalid('createGroup.arg2.name must be well-formed Unicode'),
    ],
    ['a name that is taken', JSON.stringify({ name: idle }), exists],
    ['an id that is taken', JSON.stringify({ name: 'other', id: idle }), exists],
    ['an unknown format', '{"format":"xml"}', invalid('Invalid format type.')],
    ['a format of a method name', '{"format":"toString"}', invalid('Invalid format type.')],
    [
      'the format string',
      '{"format":"STRING"}',
      { status: 500, code: 500, text: 'Invalid embedded format STRING for new consumer.' },
    ],
    [
      'a reset in capitals',
      '{"auto.offset.reset":"EARLIEST"}',
      config('Invalid value EARLIEST for configuration auto.offset.reset'),
    ],
    [
      'an empty reset',
      '{"auto.offset.reset":""}',
      config('Invalid value  for configuration auto.offset.reset'),
    ],
    ['a reset by no duration', '{"auto.offset.reset":"by_duration:"}', config('Invalid value by_duration:')],
    [
      'a reset by a negative duration',
      '{"auto.offset.reset":"by_duration:-PT1H"}',
      config('Invalid value by_duration:-PT1H'),
    ],
    [
      'an auto-commit of maybe',
      '{"auto.commit.enable":"maybe"}',
      config(
        'Invalid value maybe for configuration enable.auto.commit: Expected value to be either true or false',
      ),
    ],
    [
      'fetch.min.bytes too large',
      '{"fetch.min.bytes":10000001}',
      range(`Invalid value 10000001 ${bounds} no more than 10000000`),
    ],
    ['fetch.min.bytes too small', '{"fetch.min.bytes":-2}', range(`Invalid value -2 ${bounds} at least -1`)],
    [
      'responseMinBytes too small',
      '{"responseMinBytes":"-5"}',
      range(`Invalid value -5 ${bounds} at least -1`),
    ],
    ['a setting of Kafka', '{"isolation.level":"read_committed"}', unknownField('isolation.level')],
    ['another setting of Kafka', '{"bootstrap.servers":"evil:9092"}', unknownField('bootstrap.servers')],
    ['__proto__', '{"__proto__":{"name":"x"}}', unknownField('__proto__')],
    ['hasOwnProperty', '{"hasOwnProperty":1}', unknownField('hasOwnProperty')],
    [
      'a list',
      '[]',
      badJson('Cannot deserialize value of type `CreateConsumerInstanceRequest` from Array value'),
    ],
    [
      'a string',
      '"name"',
      badJson('Cannot deserialize value of type `CreateConsumerInstanceRequest` from String value'),
    ],
  ]
}

function subscription({ topic }: BadRequestSubjects): readonly Row[] {
  const pattern: Expected = { status: 422, code: 422, prefix: 'subscribe.arg3.topic_pattern ' }
  const topics = 'subscribe.arg3.topics'
  return [
    ['nothing', '', invalid('subscribe.arg3 must not be null (was null)')],
    ['null', 'null', invalid('subscribe.arg3 must not be null (was null)')],
    ['a topic that is null', '{"topics":[null]}', invalid(`${topics}[0] must not be null (was null)`)],
    ['an empty topic', '{"topics":[""]}', invalid(`${topics}[0] must not be blank (was )`)],
    ['a blank topic at the end', '{"topics":["a"," "]}', invalid(`${topics}[1] must not be blank (was  )`)],
    [
      'an empty pattern',
      '{"topic_pattern":""}',
      invalid('subscribe.arg3.topic_pattern must not be empty (was )'),
    ],
    ['a pattern that is none', '{"topic_pattern":"["}', pattern],
    ['a pattern with a back reference', '{"topic_pattern":"(a)\\\\1"}', pattern],
    ['a pattern that looks ahead', '{"topic_pattern":"(?=a)b"}', pattern],
    ['a pattern of 1,001 characters', JSON.stringify({ topic_pattern: 'a'.repeat(1001) }), pattern],
    ['a pattern that repeats too often', '{"topic_pattern":"(a{1000}){1000}"}', pattern],
    ['a pattern that repeats too much', JSON.stringify({ topic_pattern: '.{0,999}'.repeat(111) }), pattern],
    [
      'an unknown field',
      JSON.stringify({ topics: [topic], topicPattern: 'x' }),
      unknownField('topicPattern'),
    ],
    [
      'a list',
      '["a"]',
      badJson('Cannot deserialize value of type `ConsumerSubscriptionRecord` from Array value'),
    ],
  ]
}

function operations(subjects: BadRequestSubjects): readonly Operation[] {
  const { group, idle, assigned, subscribed, topic } = subjects
  const at = `/consumers/${group}/instances`
  const exclusive = illegalState('Subscription to topics, partitions and pattern are mutually exclusive')
  const onAssigned = `${at}/${assigned}`
  return [
    {
      name: 'create',
      method: 'POST',
      path: `/consumers/${group}`,
      fields: [
        ...createStrings.map(name => field(name, 'string', value => ({ [name]: value }))),
        ...createInts.map(name => field(name, 'int', value => ({ [name]: value }))),
      ],
      rows: create(subjects),
    },
    {
      name: 'subscribe',
      method: 'POST',
      path: `${at}/${idle}/subscription`,
      fields: [
        field('topics', 'list', topics => ({ topics })),
        field('a topic', 'string', each => ({ topics: [each] })),
        field('topic_pattern', 'string', pattern => ({ topic_pattern: pattern })),
      ],
      rows: subscription(subjects),
    },
    {
      name: 'subscribe while assigned',
      method: 'POST',
      path: `${onAssigned}/subscription`,
      fields: [],
      rows: [['topics', JSON.stringify({ topics: [topic] }), exclusive]],
    },
    {
      name: 'assign while subscribed',
      method: 'POST',
      path: `${at}/${subscribed}/assignments`,
      fields: [],
      rows: [['a partition', JSON.stringify({ partitions: [{ topic, partition: 0 }] }), exclusive]],
    },
    {
      name: 'assign',
      method: 'POST',
      path: `${at}/${idle}/assignments`,
      fields: partitionFields,
      rows: [...missingBody('assign.arg3'), ...partitions('assign.arg3')],
    },
    {
      name: 'seek',
      method: 'POST',
      path: `${onAssigned}/positions`,
      fields: [...listFields('offsets', 'offset'), ...listFields('timestamps', 'timestamp')],
      rows: positions(subjects),
    },
    {
      name: 'seek to the beginning',
      method: 'POST',
      path: `${onAssigned}/positions/beginning`,
      fields: partitionFields,
      rows: ends('seekToBeginning.arg3', subjects),
    },
    {
      name: 'seek to the end',
      method: 'POST',
      path: `${onAssigned}/positions/end`,
      fields: partitionFields,
      rows: ends('seekToEnd.arg3', subjects),
    },
    {
      name: 'commit',
      method: 'POST',
      path: `${onAssigned}/offsets`,
      fields: listFields('offsets', 'offset'),
      rows: commit(subjects),
    },
    {
      name: 'look at commits',
      method: 'GET',
      path: `${onAssigned}/offsets`,
      fields: partitionFields,
      rows: [['null', 'null', noPartition], ...partitions('committedOffsets.arg2')],
    },
  ]
}

/** Bodies for an instance that is not there: a bad one is told first (contract v2 §1.5). */
function forNobody({ group }: BadRequestSubjects): BadRequest[] {
  const at = `/consumers/${group}/instances/nobody`
  const post = (path: string, body: string) => request('POST', `${at}${path}`, { 'Content-Type': v2 }, body)
  const rows: readonly (readonly [name: string, bytes: Buffer, expected: Expected])[] = [
    ['subscribe', post('/subscription', '{"topics":["a"]}'), noInstance],
    ['assign', post('/assignments', '{"partitions":[]}'), noInstance],
    ['seek', post('/positions', '{}'), noInstance],
    ['seek to the beginning', post('/positions/beginning', '{"partitions":[]}'), noInstance],
    ['seek to the end', post('/positions/end', '{"partitions":[]}'), noInstance],
    ['commit', post('/offsets', ''), noInstance],
    ['commit offsets', post('/offsets', '{"offsets":[]}'), noInstance],
    ['look at commits', request('GET', `${at}/offsets`, {}, '{"partitions":[]}'), noInstance],
    ['subscribe with a bad body', post('/subscription', '{'), badJson()],
    [
      'subscribe without a body',
      post('/subscription', ''),
      invalid('subscribe.arg3 must not be null (was null)'),
    ],
    ['assign with an unknown field', post('/assignments', '{"a":1}'), unknownField('a')],
    [
      'seek with a wrong type',
      post('/positions', '{"offsets":1}'),
      badJson('Cannot deserialize value of type'),
    ],
    ['commit with a large body', post('/offsets', `{"offsets":[]${' '.repeat(70_000)}`), badJson()],
  ]
  return rows.map(([name, bytes, expected]) => ({ name: `for nobody: ${name}`, bytes, expected }))
}

/** Consumer requests whose bodies are wrong. */
export function badConsumerBodies(subjects: BadRequestSubjects): BadRequest[] {
  const { group, idle } = subjects
  const unread: Expected = illegalState('Consumer is not subscribed to any topics or assigned any partitions')
  return [
    ...operations(subjects).flatMap(({ name, method, path, fields, rows }) => {
      const all = [
        ...rows.map(([what, body, expected]) => ({ what, body, expected })),
        ...wrongFields(fields),
        ...(fields.length === 0
          ? []
          : brokenJson.map(([what, body, expected]) => ({ what, body, expected }))),
      ]
      return all.map(({ what, body, expected }) => ({
        name: `${name}: ${what}`,
        bytes: request(method, path, { 'Content-Type': v2 }, body),
        expected,
      }))
    }),
    ...forNobody(subjects),
    {
      name: 'read before subscribing',
      bytes: request('GET', `/consumers/${group}/instances/${idle}/records`),
      expected: unread,
    },
    {
      name: 'subscribe to nothing',
      bytes: request('POST', `/consumers/${group}/instances/${idle}/subscription`, {}, '{}'),
      expected: harmless(204),
    },
  ]
}
