import { Admin } from '@platformatic/kafka'
import { runJava } from './java-client.ts'
import { until } from './until.ts'

/** Runs `work` with an admin client of the given broker. */
async function withAdmin<T>(broker: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'test-admin', bootstrapBrokers: [broker] })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

/** Creates a topic, on a single broker unless told otherwise, and waits until its leaders serve it. */
export async function createTopic(
  broker: string,
  topic: string,
  options: { partitions?: number; replicas?: number; configs?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const { partitions = 1, replicas = 1 } = options
  const configs = Object.entries(options.configs ?? {}).map(([name, value]) => ({ name, value }))
  await withAdmin(broker, async admin => {
    await admin.createTopics({ topics: [topic], partitions, replicas, configs })
    await until(`topic ${topic} has leaders`, async () => {
      const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
      const found = topics.get(topic)
      return found?.partitionsCount === partitions && found.partitions.every(({ leader }) => leader >= 0)
    })
    await leadersServe(admin, topic, partitions)
  })
}

/** A broker is named as a leader before it takes the part: until then it refuses requests for the partition (code 6). */
async function leadersServe(admin: Admin, topic: string, count: number): Promise<void> {
  const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
    partitionIndex,
    timestamp: -1n,
  }))
  await until(`the leaders of ${topic} serve it`, () =>
    admin.listOffsets({ topics: [{ name: topic, partitions }] }),
  )
}

/** Deletes a topic, and waits until the broker has heard of it from the controller that answers the request. */
export async function deleteTopic(broker: string, topic: string): Promise<void> {
  await withAdmin(broker, async admin => {
    await admin.deleteTopics({ topics: [topic] })
    await until(`topic ${topic} is gone`, async () => !(await admin.listTopics()).includes(topic))
  })
}

/** Adds partitions to a topic. */
export async function addPartitions(broker: string, topic: string, total: number): Promise<void> {
  const topics = [{ name: topic, count: total, assignments: null }]
  await withAdmin(broker, admin => admin.createPartitions({ topics }))
}

export interface StoredRecord {
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** `name=value` pairs. */
  readonly headers: string
}

/** Reads a whole topic with Kafka's own Java consumer: what a foreign client sees of what we wrote. */
export async function readTopic(broker: string, topic: string): Promise<StoredRecord[]> {
  const output = await runJava('ReadTopic', javaReader, { args: [broker, topic] })
  return output
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [partition, offset, timestamp, key, value, headers] = line.split('\t')
      return {
        partition: Number(partition),
        offset: BigInt(offset ?? ''),
        timestamp: Number(timestamp),
        key: bytes(key),
        value: bytes(value),
        headers: headers ?? '',
      }
    })
}

const bytes = (text: string | undefined) =>
  text === undefined || text === '-' ? null : Buffer.from(text.slice(1), 'base64')

const javaReader = `
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
public class ReadTopic {
  static String text(byte[] bytes) { return bytes == null ? "-" : "." + Base64.getEncoder().encodeToString(bytes); }
  public static void main(String[] args) {
    Map<String, Object> config = Map.of("bootstrap.servers", args[0], "enable.auto.commit", "false");
    ByteArrayDeserializer plain = new ByteArrayDeserializer();
    StringBuilder out = new StringBuilder();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, plain, plain)) {
      List<TopicPartition> partitions = consumer.partitionsFor(args[1]).stream()
          .map(info -> new TopicPartition(args[1], info.partition())).collect(Collectors.toList());
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
          String headers = Arrays.stream(record.headers().toArray())
              .map(header -> header.key() + "=" + (header.value() == null ? "null" : new String(header.value())))
              .collect(Collectors.joining(","));
          out.append(record.partition()).append('\\t').append(record.offset()).append('\\t')
              .append(record.timestamp()).append('\\t').append(text(record.key())).append('\\t')
              .append(text(record.value())).append('\\t').append(headers).append('\\n');
        }
      }
    }
    System.out.print(out);
  }
}
`
