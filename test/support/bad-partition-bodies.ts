import { type Field, harmless, illegalState, invalid, unknownField } from './bad-request-parts.ts'
import type { BadRequestSubjects, Expected } from './bad-requests.ts'

export type Row = readonly [name: string, body: string, expected: Expected]

export const field = (path: string, kind: Field['kind'], around: Field['around']): Field => ({
  path,
  kind,
  around,
})
const constructed = (type: string, problem: string): Expected => ({
  status: 400,
  code: 400,
  text: `Cannot construct instance of \`${type}\`, problem: ${problem}`,
})
/** Bodies that name partitions. `argument` is the original's name of the body. */
export function partitions(argument: string): readonly Row[] {
  const at = `${argument}.partitions`
  const named = (element: object | null) => JSON.stringify({ partitions: [element] })
  return [
    ['a list that is missing', '{}', invalid(`${at} must not be null (was null)`)],
    ['a list that is null', '{"partitions":null}', invalid(`${at} must not be null (was null)`)],
    ['an element that is null', named(null), invalid(`${at}[0] must not be null (was null)`)],
    ['no topic', named({ partition: 0 }), invalid(`${at}[0].topic must not be null (was null)`)],
    [
      'an empty topic',
      named({ topic: '', partition: 0 }),
      invalid(`${at}[0].topic must not be empty (was )`),
    ],
    ['no partition', named({ topic: 't' }), invalid(`${at}[0].partition must not be null (was null)`)],
    [
      'an empty partition',
      named({ topic: 't', partition: '' }),
      invalid(`${at}[0].partition must not be null (was null)`),
    ],
    ['an unknown field', '{"partitions":[],"offsets":[]}', unknownField('offsets')],
    [
      'an unknown field of an element',
      named({ topic: 't', partition: 0, offset: 1 }),
      unknownField('offset'),
    ],
  ]
}

export const missingBody = (argument: string): readonly Row[] => [
  ['nothing', '', invalid(`${argument} must not be null (was null)`)],
  ['null', ' null ', invalid(`${argument} must not be null (was null)`)],
]

export const partitionFields = [
  field('partitions', 'list', value => ({ partitions: value })),
  field('an element', 'object', value => ({ partitions: [value] })),
  field('topic', 'string', topic => ({ partitions: [{ topic, partition: 0 }] })),
  field('partition', 'int', partition => ({ partitions: [{ topic: 't', partition }] })),
]

export function listFields(list: 'offsets' | 'timestamps', last: 'offset' | 'timestamp'): readonly Field[] {
  const entry = { topic: 't', partition: 0, [last]: 0, metadata: '' }
  const around = (name: string) => (value: unknown) => ({ [list]: [{ ...entry, [name]: value }] })
  return [
    field(list, 'list', value => ({ [list]: value })),
    field(`an element of ${list}`, 'object', value => ({ [list]: [value] })),
    field(`topic in ${list}`, 'string', around('topic')),
    field(`partition in ${list}`, 'int', around('partition')),
    field(last, last === 'offset' ? 'long' : 'instant', around(last)),
    field(`metadata in ${list}`, 'string', around('metadata')),
  ]
}

export function positions({ topic }: BadRequestSubjects): readonly Row[] {
  const argument = 'seekToOffset.arg3'
  const offset = (entry: object | null) => JSON.stringify({ offsets: [entry] })
  const time = (entry: object | null) => JSON.stringify({ timestamps: [entry] })
  const unassigned = illegalState(`No current assignment for partition ${topic}-7`)
  return [
    ...missingBody(argument),
    ['no topic', offset({ partition: 0, offset: 0 }), constructed('PartitionOffset', 'Null topic')],
    ['no topic beside a time', time({ timestamp: 0 }), constructed('PartitionTimestamp', 'Null topic')],
    ['no timestamp', time({ topic: 't' }), constructed('PartitionTimestamp', 'Null timestamp')],
    [
      'an empty timestamp',
      time({ topic: 't', timestamp: ' ' }),
      constructed('PartitionTimestamp', 'Null timestamp'),
    ],
    [
      'an offset below zero',
      offset({ topic, offset: -1 }),
      invalid(`${argument}.offsets[0].offset must not be negative (was -1)`),
    ],
    [
      'a time before 1970',
      time({ topic, timestamp: -5 }),
      invalid(`${argument}.timestamps[0].timestamp must not be negative (was -5000)`),
    ],
    ['a partition that is not assigned', offset({ topic, partition: 7, offset: 0 }), unassigned],
    [
      'a partition below zero',
      offset({ topic, partition: -1, offset: 0 }),
      illegalState(`No current assignment for partition ${topic}--1`),
    ],
    [
      'a partition twice',
      JSON.stringify({
        timestamps: [
          { topic, timestamp: 0 },
          { topic, timestamp: 0 },
        ],
      }),
      illegalState(`Duplicate key ${topic}-0`),
    ],
    ['a time after the last record', time({ topic, timestamp: '9999-01-01T00:00:00Z' }), harmless(204)],
    ['an unknown field', '{"positions":[]}', unknownField('positions')],
    ['an unknown field of an element', offset({ topic: 't', offset: 0, leader: 1 }), unknownField('leader')],
  ]
}

export function ends(argument: string, { topic }: BadRequestSubjects): readonly Row[] {
  const named = JSON.stringify({ partitions: [{ topic, partition: 7 }] })
  return [
    ...missingBody(argument),
    ...partitions(argument),
    [
      'a partition that is not assigned',
      named,
      illegalState(`No current assignment for partition ${topic}-7`),
    ],
  ]
}

export function commit({ topic }: BadRequestSubjects): readonly Row[] {
  const at = 'commitOffsets.arg4.offsets'
  const named = (entry: object | null) => JSON.stringify({ offsets: [entry] })
  const between = (was: string) =>
    invalid(`${at}[0].offset must be between -1 and 9223372036854775806 (was ${was})`)
  return [
    ['a list that is missing', '{}', invalid(`${at} must not be null (was null)`)],
    ['a list that is null', '{"offsets":null}', invalid(`${at} must not be null (was null)`)],
    ['an element that is null', named(null), invalid(`${at}[0] must not be null (was null)`)],
    ['no topic', named({ partition: 0, offset: 0 }), invalid(`${at}[0].topic must not be null (was null)`)],
    [
      'an empty topic',
      named({ topic: '', partition: 0, offset: 0 }),
      invalid(`${at}[0].topic must not be empty (was )`),
    ],
    ['no partition', named({ topic, offset: 0 }), invalid(`${at}[0].partition must not be null (was null)`)],
    ['no offset', named({ topic, partition: 0 }), invalid(`${at}[0].offset must not be null (was null)`)],
    ['an offset of -2', named({ topic, partition: 0, offset: -2 }), between('-2')],
    [
      'the largest long',
      named({ topic, partition: 0, offset: '9223372036854775807' }),
      between('9223372036854775807'),
    ],
    ['an unknown field', '{"offsets":[],"partitions":[]}', unknownField('partitions')],
    [
      'an unknown field of an element',
      named({ topic, partition: 0, offset: 0, consumed: 1 }),
      unknownField('consumed'),
    ],
  ]
}
