import { readFileSync } from 'node:fs'
import type { PartProcess } from '../../infra/local/part-process.ts'
import { startJava } from './java-client.ts'
import { until } from './until.ts'

/** A member of a consumer group that runs Kafka's own Java consumer: a foreign member, and what its assignment is. */
export class JavaMember {
  readonly #process: PartProcess

  private constructor(process: PartProcess) {
    this.#process = process
  }

  /** @param assignors simple names of Java's assignors, in its order of preference; `OwnAssignor` is one that only it has. */
  static async start(
    broker: string,
    {
      group,
      topics,
      assignors = ['RangeAssignor', 'CooperativeStickyAssignor'],
      instanceId = '',
      protocol = 'classic',
    }: {
      group: string
      topics: readonly string[]
      assignors?: readonly string[]
      /** `group.instance.id`; empty for a dynamic member. */
      instanceId?: string
      /** `consumer` is the one of KIP-848, whose assignments the broker makes. */
      protocol?: 'classic' | 'consumer'
    },
  ): Promise<JavaMember> {
    const args = [broker, group, topics.join(','), assignors.join(','), instanceId, protocol]
    return new JavaMember(await startJava('GroupMember', source, args))
  }

  /** What it printed last: `t/0 t/1 …`; undefined before its first assignment and after a revocation. */
  get partitions(): string | undefined {
    const lines = readFileSync(this.#process.logFile, 'utf8')
      .split('\n')
      .filter(line => line.startsWith('assignment:'))
    return lines.at(-1)?.slice('assignment:'.length)
  }

  untilPartitions(wanted: string): Promise<unknown> {
    return until(
      `the Java member has ${wanted}, and not ${this.partitions}`,
      () => this.partitions === wanted,
    )
  }

  /** Ends it as an operator would: it leaves its group. */
  async stop(): Promise<void> {
    await this.#process.stop()
  }

  async kill(): Promise<void> {
    await this.#process.kill()
  }
}

const source = `
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
public class GroupMember {
  public static class OwnAssignor extends RangeAssignor {
    @Override public String name() { return "own"; }
  }
  static KafkaConsumer<byte[], byte[]> consumer;
  static void print() {
    System.out.println("assignment:" + consumer.assignment().stream()
        .map(partition -> partition.topic() + "/" + partition.partition()).sorted().collect(Collectors.joining(" ")));
    System.out.flush();
  }
  public static void main(String[] args) throws Exception {
    Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", args[0], "group.id", args[1],
        "max.poll.interval.ms", "10000", "auto.offset.reset", "earliest", "metadata.max.age.ms", "500",
        "group.protocol", args[5]));
    if (args[5].equals("classic")) {
      config.putAll(Map.of("session.timeout.ms", "6000", "heartbeat.interval.ms", "300",
          "partition.assignment.strategy", Arrays.stream(args[3].split(","))
              .map(name -> name.equals("OwnAssignor") ? OwnAssignor.class : "org.apache.kafka.clients.consumer." + name)
              .collect(Collectors.toList())));
    }
    if (!args[4].isEmpty()) config.put("group.instance.id", args[4]);
    ByteArrayDeserializer plain = new ByteArrayDeserializer();
    consumer = new KafkaConsumer<>(config, plain, plain);
    Thread main = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      consumer.wakeup();
      try { main.join(5000); } catch (InterruptedException end) { }
    }));
    consumer.subscribe(Arrays.asList(args[2].split(",")));
    Set<TopicPartition> last = null;
    try {
      while (true) {
        consumer.poll(Duration.ofMillis(100));
        Set<TopicPartition> now = new HashSet<>(consumer.assignment());
        if (!now.equals(last)) print();
        last = now;
      }
    } catch (WakeupException end) {
      consumer.close();
    }
  }
}
`
