import { runJava } from './java-client.ts'

/** What Java's own producer writes, for tests of reading: each codec in the partition of its index. */
export const javaCodecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** Number of records that `writeCodecs` writes to each partition. */
export const codecRecords = 500

/**
 * Writes to partition i with the codec i: records with keys, values of 0 to some hundred bytes, null keys and values,
 * and two headers, one of them null. The topic must have a partition for each codec.
 */
export async function writeCodecs(broker: string, topic: string): Promise<void> {
  await runJava('WriteCodecs', writeCodecsSource, {
    args: [broker, topic, String(codecRecords), ...javaCodecs],
  })
}

const writeCodecsSource = `
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringSerializer;
public class WriteCodecs {
  public static void main(String[] args) throws Exception {
    int count = Integer.parseInt(args[2]);
    for (int codec = 0; codec + 3 < args.length; codec++) {
      Map<String, Object> config = Map.of("bootstrap.servers", args[0], "compression.type", args[codec + 3],
          "linger.ms", "200", "batch.size", "20000");
      try (KafkaProducer<String, String> producer =
          new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
        for (int i = 0; i < count; i++) {
          String key = i % 7 == 0 ? null : "key " + i;
          String value = i % 11 == 0 ? null : "v".repeat(i % 13) + " value " + i + " of a record ".repeat(i % 20);
          producer.send(new ProducerRecord<>(args[1], codec, 1700000000000L + i, key, value, List.of(
              new RecordHeader("h", ("header " + i).getBytes()), new RecordHeader("null", null))));
        }
      }
    }
  }
}
`

/**
 * Writes transactions of several batches to partition 0, interleaved with those of another producer:
 * `a-…` is aborted, `c-…` and `d-…` are committed, `p-…` is written without a transaction, and `o-…` stays open when
 * the program has ended. Returns what was written, by offset; markers take offsets of their own.
 */
export async function writeTransactions(broker: string, topic: string): Promise<ReadonlyMap<bigint, string>> {
  const output = await runJava('WriteTransactions', writeTransactionsSource, { args: [broker, topic] })
  return new Map(
    output
      .trim()
      .split('\n')
      .map(line => {
        const [offset = '', value = ''] = line.split(' ')
        return [BigInt(offset), value] as const
      }),
  )
}

const writeTransactionsSource = `
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;
public class WriteTransactions {
  static String topic;
  static KafkaProducer<String, String> producer(String broker, String transaction) {
    Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", broker, "compression.type", "lz4",
        "transaction.timeout.ms", "600000"));
    if (transaction != null) config.put("transactional.id", transaction);
    KafkaProducer<String, String> producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    if (transaction != null) producer.initTransactions();
    return producer;
  }
  static void send(KafkaProducer<String, String> producer, String value) throws Exception {
    // One batch for each record.
    RecordMetadata written = producer.send(new ProducerRecord<>(topic, 0, "k", value)).get();
    System.out.println(written.offset() + " " + value);
  }
  public static void main(String[] args) throws Exception {
    topic = args[1];
    KafkaProducer<String, String> one = producer(args[0], topic + "-one");
    KafkaProducer<String, String> two = producer(args[0], topic + "-two");
    KafkaProducer<String, String> plain = producer(args[0], null);
    one.beginTransaction();
    two.beginTransaction();
    send(one, "a-1");
    send(two, "d-1");
    send(one, "a-2");
    send(plain, "p-1");
    one.abortTransaction();
    one.beginTransaction();
    send(one, "c-1");
    send(two, "d-2");
    one.commitTransaction();
    one.beginTransaction();
    send(one, "a-3");
    two.commitTransaction();
    one.abortTransaction();
    send(plain, "p-2");
    one.beginTransaction();
    send(one, "o-1");
    send(plain, "p-3");
    System.out.flush();
    // Without closing: closing would abort the open transaction.
    Runtime.getRuntime().halt(0);
  }
}
`
