/** Times are ms on this process's monotonic clock: all clients of a run are in one process, so they can be compared. */

/** Where a record is. */
export interface RecordPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** A record as it was answered to a client, or read from Kafka; `id` is what its producer called it. */
export interface SeenRecord extends RecordPlace {
  readonly id: string
}

/** A request of a client and what became of it. */
export interface Attempt {
  readonly what: 'create' | 'subscribe' | 'read' | 'commit' | 'delete' | 'produce'
  readonly startedAt: number
  readonly endedAt: number
  /** 0: there was no whole answer. */
  readonly status: number
  /** The error code of the body, or what happened to the connection. */
  readonly error: string
}

/** A read whose whole answer the client has. */
export interface ReadEntry {
  readonly consumer: string
  readonly startedAt: number
  readonly endedAt: number
  readonly records: readonly SeenRecord[]
}

/** What a client asked to be committed for its group; `offset` is the next to be read. */
export interface CommitEntry {
  readonly consumer: string
  readonly startedAt: number
  readonly endedAt: number
  readonly acknowledged: boolean
  readonly offsets: readonly RecordPlace[]
}

/** What one consumer noted of its own work. */
export class ConsumerJournal {
  readonly name: string
  readonly group: string
  readonly attempts: Attempt[] = []
  readonly reads: ReadEntry[] = []
  readonly commits: CommitEntry[] = []
  /** When it was told that its instance is gone (404 / 40403). */
  readonly gone: number[] = []
  /** Answers that no rule allows for, each once. */
  readonly unexpected = new Set<string>()

  constructor(name: string, group: string) {
    this.name = name
    this.group = group
  }
}

/** What one producer noted: records with an acknowledgement, and attempts that may or may not have been applied. */
export class ProducerJournal {
  readonly name: string
  readonly attempts: Attempt[] = []
  readonly acknowledged: SeenRecord[] = []
  readonly unexpected = new Set<string>()

  constructor(name: string) {
    this.name = name
  }
}

/** What an independent reader saw committed in a group at one moment; `offset` is the next to be read. */
export interface ObservedCommits {
  readonly group: string
  readonly startedAt: number
  readonly endedAt: number
  readonly offsets: readonly RecordPlace[]
}

/** One text for a partition. */
export const partitionKey = ({ topic, partition }: Pick<RecordPlace, 'topic' | 'partition'>): string =>
  `${topic}-${partition}`

/** One text for a record's place. */
export const placeKey = (place: RecordPlace): string => `${partitionKey(place)}@${place.offset}`
