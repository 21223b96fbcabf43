import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { runJava } from '../support/java-client.ts'
import { newTestDir } from '../support/services.ts'
import type { ObservedCommits, RecordPlace, SeenRecord } from './journal.ts'

/** Reads whole topics with Kafka's own Java consumer. Their values are JSON with an `id`. */
export async function readAll(broker: string, topics: readonly string[]): Promise<SeenRecord[]> {
  const file = join(newTestDir('stored'), 'records.tsv')
  await runJava('ReadAll', javaReader, { args: [broker, file, ...topics] })
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [topic = '', partition, offset, value = ''] = line.split('\t')
      return { topic, partition: Number(partition), offset: Number(offset), id: idOf(value) }
    })
}

function idOf(value: string): string {
  try {
    return (JSON.parse(value) as { id: string }).id
  } catch {
    return value
  }
}

const javaReader = `
import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.StringDeserializer;
public class ReadAll {
  public static void main(String[] args) throws IOException {
    Map<String, Object> config = Map.of("bootstrap.servers", args[0], "enable.auto.commit", "false");
    StringDeserializer text = new StringDeserializer();
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config, text, text);
        BufferedWriter out = Files.newBufferedWriter(Path.of(args[1]))) {
      List<TopicPartition> partitions = Arrays.stream(args).skip(2)
          .flatMap(topic -> consumer.partitionsFor(topic).stream())
          .map(info -> new TopicPartition(info.topic(), info.partition())).collect(Collectors.toList());
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition)))
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200)))
          out.write(record.topic() + "\\t" + record.partition() + "\\t" + record.offset() + "\\t" + record.value() + "\\n");
    }
  }
}
`

/** Sees what is committed in groups, with a client that no proxy node uses for it. */
export class CommitObserver {
  readonly observed: ObservedCommits[] = []
  readonly #admin: kafkajs.Admin
  readonly #topicsOf: ReadonlyMap<string, readonly string[]>
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()

  /** @param topicsOf the groups and their topics. */
  constructor(broker: string, topicsOf: ReadonlyMap<string, readonly string[]>) {
    // A broker that is down is asked again by the next look.
    const options = { brokers: [broker], logLevel: kafkajs.logLevel.NOTHING, requestTimeout: 5000 }
    this.#admin = new kafkajs.Kafka({ ...options, retry: { retries: 1 } }).admin()
    this.#topicsOf = topicsOf
  }

  /** Looks every `everyMs`. */
  async start(everyMs: number): Promise<void> {
    await this.#admin.connect()
    const look = () => {
      this.#looking = this.#look().finally(() => {
        this.#timer = setTimeout(look, everyMs)
      })
    }
    look()
  }

  async stop(): Promise<void> {
    await this.#looking
    clearTimeout(this.#timer)
    await this.#admin.disconnect()
  }

  /** What is committed in a group now. @throws when Kafka cannot be asked. */
  async committed(group: string): Promise<RecordPlace[]> {
    const topics = [...(this.#topicsOf.get(group) ?? [])]
    const found = await this.#admin.fetchOffsets({ groupId: group, topics })
    return found.flatMap(({ topic, partitions }) =>
      partitions
        .map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) }))
        .filter(({ offset }) => offset >= 0),
    )
  }

  async #look(): Promise<void> {
    for (const group of this.#topicsOf.keys()) {
      const startedAt = performance.now()
      try {
        const offsets = await this.committed(group)
        this.observed.push({ group, startedAt, endedAt: performance.now(), offsets })
      } catch {
        // The broker is restarted: seen at the next look.
      }
    }
  }
}
