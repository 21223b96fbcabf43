/** How a subject is named (contract v2 §6.3; Confluent's TopicName-, RecordName- and TopicRecordNameStrategy). */
export type SubjectNameStrategy = 'topic' | 'record' | 'topic-record'

export type Side = 'key' | 'value'

const confluentPackage = 'io.confluent.kafka.serializers.subject.'
const strategies: Readonly<Record<string, SubjectNameStrategy>> = {
  TopicNameStrategy: 'topic',
  RecordNameStrategy: 'record',
  TopicRecordNameStrategy: 'topic-record',
  // The original falls back to topic names with this one, its default since 8.x.
  AssociatedNameStrategy: 'topic',
}

/** The strategy that a setting names by Confluent's class, with or without its package; undefined for any other. */
export function parseSubjectNameStrategy(className: string): SubjectNameStrategy | undefined {
  const name = className.startsWith(confluentPackage) ? className.slice(confluentPackage.length) : className
  return Object.hasOwn(strategies, name) ? strategies[name] : undefined
}

/**
 * The subject under which a schema of this topic and side is registered.
 * @returns undefined when the strategy goes by the record's name and the schema has none.
 */
export function subjectName(
  strategy: SubjectNameStrategy,
  topic: string,
  side: Side,
  recordName: string | null,
): string | undefined {
  if (strategy === 'topic') return `${topic}-${side}`
  if (recordName === null) return undefined
  return strategy === 'record' ? recordName : `${topic}-${recordName}`
}
