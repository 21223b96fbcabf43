import { describe, expect, test } from 'vitest'
import { type AuditInput, audit, undelivered, type ViolationKind } from './audit.ts'
import { ConsumerJournal, ProducerJournal, type RecordPlace } from './journal.ts'

const at = (offset: number, partition = 0): RecordPlace => ({ topic: 't', partition, offset })
const record = (offset: number, id = `id-${offset}`) => ({ ...at(offset), id })
const records = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => record(first + index))

/** A run in which all is well: ten records, acknowledged, read in two reads and committed after each. */
class CleanRun {
  readonly producer = new ProducerJournal('producer')
  readonly consumer = new ConsumerJournal('consumer', 'group')
  readonly other = new ConsumerJournal('other', 'group')
  readonly stored = records(0, 10)
  readonly observed: AuditInput['observed'][number][] = []
  committed = new Map([['group', [at(10)]]])
  mayBeGone = false

  constructor() {
    this.producer.acknowledged.push(...records(0, 10))
    this.read(this.consumer, 100, records(0, 5))
    this.commit(200, 5)
    this.read(this.consumer, 300, records(5, 5))
    this.commit(400, 10)
    this.read(this.consumer, 1000, [])
    this.read(this.other, 1000, [])
  }

  read(journal: ConsumerJournal, startedAt: number, read: readonly ReturnType<typeof record>[]): void {
    journal.reads.push({ consumer: journal.name, startedAt, endedAt: startedAt + 50, records: read })
  }

  commit(startedAt: number, offset: number, acknowledged = true): void {
    const { name, commits } = this.consumer
    commits.push({ consumer: name, startedAt, endedAt: startedAt + 10, acknowledged, offsets: [at(offset)] })
  }

  /** An independent reader saw it. */
  see(startedAt: number, offset: number): void {
    this.observed.push({ group: 'group', startedAt, endedAt: startedAt + 5, offsets: [at(offset)] })
  }

  get input(): AuditInput {
    return {
      producers: [this.producer],
      consumers: [this.consumer, this.other],
      stored: this.stored,
      observed: this.observed,
      committed: this.committed,
      topicsOf: new Map([['group', ['t']]]),
      faultsEndedAt: 900,
      mayBeGone: this.mayBeGone,
    }
  }

  get kinds(): ViolationKind[] {
    return audit(this.input).violations.map(({ kind }) => kind)
  }
}

test('a run in which all is well is clean', () => {
  const result = audit(new CleanRun().input)
  expect(result).toMatchObject({
    violations: [],
    acknowledged: 10,
    stored: 10,
    delivered: 10,
    repeated: 0,
    commits: 2,
  })
})

describe('what producers were told', () => {
  test('a record that is not in Kafka', () => {
    const run = new CleanRun()
    run.producer.acknowledged.push(record(10))
    expect(run.kinds).toEqual(['acknowledged record missing'])
  })

  test('another record where it should be', () => {
    const run = new CleanRun()
    run.producer.acknowledged[3] = record(3, 'id-x')
    expect(run.kinds).toEqual(['acknowledged record missing'])
  })

  test('a record that was written twice', () => {
    const run = new CleanRun()
    run.stored[9] = record(9, 'id-8')
    run.producer.acknowledged.pop()
    run.consumer.reads[1] = {
      consumer: 'consumer',
      startedAt: 300,
      endedAt: 350,
      records: run.stored.slice(5),
    }
    expect(run.kinds).toEqual(['record written twice'])
  })

  test('an answer that no rule allows for', () => {
    const run = new CleanRun()
    run.producer.unexpected.add('produce: 400')
    run.consumer.unexpected.add('read: 500')
    expect(run.kinds).toEqual(['unexpected answer', 'unexpected answer'])
  })
})

describe('what was committed', () => {
  test('is not delivered again to the same consumer', () => {
    const run = new CleanRun()
    run.read(run.consumer, 500, records(9, 1))
    expect(run.kinds).toEqual(['committed record delivered again'])
  })

  test('is not delivered again to another consumer of the group', () => {
    const run = new CleanRun()
    run.read(run.other, 500, records(0, 10))
    expect(run.kinds).toHaveLength(10)
  })

  test('may still come by a read that began before the commit was acknowledged', () => {
    const run = new CleanRun()
    run.read(run.other, 405, records(5, 5))
    expect(audit(run.input)).toMatchObject({ violations: [], repeated: 5 })
  })

  test('may come again if it was not committed', () => {
    const run = new CleanRun()
    run.read(run.other, 250, records(5, 5))
    expect(run.kinds).toEqual([])
  })

  test('counts from the moment it was seen, though its commit was answered with an error', () => {
    const run = new CleanRun()
    run.consumer.commits.length = 1
    run.commit(400, 10, false)
    run.read(run.other, 500, records(5, 5))
    expect(run.kinds).toEqual([])
    run.see(450, 10)
    expect(run.kinds).toHaveLength(5)
  })

  test('counts though a smaller commit was acknowledged later', () => {
    const run = new CleanRun()
    // Sent before the larger one was acknowledged: no commit back, since its client knew of nothing.
    run.consumer.commits.push({
      consumer: 'other',
      startedAt: 395,
      endedAt: 460,
      acknowledged: true,
      offsets: [at(7)],
    })
    run.read(run.other, 500, records(8, 1))
    expect(run.kinds).toEqual(['committed record delivered again'])
  })

  test('may come again after a client itself committed back', () => {
    const run = new CleanRun()
    run.commit(420, 5)
    run.read(run.other, 500, records(5, 5))
    run.commit(600, 10)
    const result = audit(run.input)
    expect(result).toMatchObject({ violations: [], commitBacks: 1 })
    run.read(run.other, 700, records(5, 1))
    expect(run.kinds).toEqual(['committed record delivered again'])
  })

  test('is committed in the end', () => {
    const run = new CleanRun()
    run.committed = new Map([['group', [at(9)]]])
    expect(run.kinds).toEqual(['commit lost'])
    run.committed = new Map()
    expect(run.kinds).toEqual(['commit lost'])
  })
})

describe('what consumers got', () => {
  test('a record that no member of the group got', () => {
    const run = new CleanRun()
    run.consumer.reads[1] = { consumer: 'consumer', startedAt: 300, endedAt: 350, records: records(5, 4) }
    expect(run.kinds).toEqual(['record never delivered'])
    expect(undelivered(run.input)).toEqual([{ group: 'group', record: record(9) }])
  })

  test('a record that is not the one in Kafka', () => {
    const run = new CleanRun()
    run.read(run.other, 320, [record(5, 'id-x')])
    expect(run.kinds).toEqual(['wrong record delivered'])
  })

  test('a consumer that does not read after the faults', () => {
    const run = new CleanRun()
    run.other.reads.length = 0
    expect(run.kinds).toEqual(['consumer not working'])
  })

  test('a consumer that was told that it is gone, where others go on with it', () => {
    const run = new CleanRun()
    run.consumer.gone.push(500)
    expect(run.kinds).toEqual(['consumer lost'])
    run.mayBeGone = true
    expect(run.kinds).toEqual([])
  })
})
