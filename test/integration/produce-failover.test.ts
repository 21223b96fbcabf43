import { setTimeout as sleep } from 'node:timers/promises'
import { Admin } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runJava } from '../support/java-client.ts'
import { KafkaTestCluster } from '../support/kafka-cluster.ts'
import { readTopic } from '../support/kafka-topics.ts'
import { ProduceNode } from '../support/produce-node.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** Produce while leaders move between brokers. */

let cluster: KafkaTestCluster
let admin: Admin
let node: ProduceNode

beforeAll(async () => {
  cluster = await KafkaTestCluster.start()
  admin = new Admin({ clientId: 'test-admin', bootstrapBrokers: cluster.addresses })
  node = await ProduceNode.start({ 'bootstrap.servers': cluster.addresses.join(',') })
}, 300_000)

afterAll(async () => {
  await node?.stop()
  await admin?.close()
  await cluster?.stop()
})

/** A topic with replicas on brokers 1 and 2; broker 2 leads all of its partitions. */
async function replicatedTopic(partitions: number): Promise<string> {
  const topic = uniqueName('replicated')
  const assignments = Array.from({ length: partitions }, (_, partition) => ({ partition, brokers: [2, 1] }))
  await admin.createTopics({ topics: [topic], assignments })
  await until('broker 2 leads', async () => (await leaders(topic)).every(leader => leader === 2))
  return topic
}

/** As the node shows them: the library's own admin client fails as long as one partition has none. */
async function leaders(topic: string): Promise<number[]> {
  const answer = await node.request('GET', `/topics/${topic}/partitions`)
  return (answer.json() as { leader: number }[]).map(({ leader }) => leader)
}

/** Puts the replicas of all partitions in this order, and has the first one lead. */
async function preferLeader(topic: string, replicas: readonly number[]): Promise<void> {
  await runJava('PreferLeader', javaPreferLeader, {
    args: [cluster.addresses.join(), topic, ...replicas.map(String)],
  })
}

const javaPreferLeader = `
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
public class PreferLeader {
  public static void main(String[] args) throws Exception {
    List<Integer> replicas = Arrays.stream(args).skip(2).map(Integer::valueOf).collect(Collectors.toList());
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      Set<TopicPartition> partitions = admin.describeTopics(List.of(args[1])).allTopicNames().get().get(args[1])
          .partitions().stream().map(info -> new TopicPartition(args[1], info.partition())).collect(Collectors.toSet());
      Map<TopicPartition, Optional<NewPartitionReassignment>> order = new HashMap<>();
      for (TopicPartition partition : partitions)
        order.put(partition, Optional.of(new NewPartitionReassignment(replicas)));
      admin.alterPartitionReassignments(order).all().get();
      admin.electLeaders(ElectionType.PREFERRED, partitions).all().get();
    }
  }
}
`

test('leaders move and a broker is killed in mid-load: what was acknowledged is there, once and in order', async () => {
  const topic = await replicatedTopic(3)
  const acknowledged = new Map<string, string>()
  const failed: unknown[] = []
  let running = true
  /** One request after the other to one partition, numbered. */
  async function client(partition: number): Promise<number> {
    let sent = 0
    for (; running; sent += 3) {
      const records = [0, 1, 2].map(index => ({ value: `${partition}:${sent + index}` }))
      const answer = await node.produce(`/topics/${topic}/partitions/${partition}`, { records })
      const { offsets } = answer.json() as { offsets: { offset: number; error: string | null }[] }
      for (const [index, { offset, error }] of offsets.entries()) {
        if (error === null) acknowledged.set(`${partition}@${offset}`, `"${records[index]?.value}"`)
        else failed.push(error)
      }
      await sleep(2)
    }
    return sent
  }
  const clients = [0, 1, 2].map(client)
  const progress = async () => {
    const before = acknowledged.size
    await until('records are acknowledged', () => acknowledged.size > before + 150)
  }
  await progress()
  await preferLeader(topic, [1, 2])
  await until('broker 1 leads', async () => (await leaders(topic)).every(leader => leader === 1))
  await progress()
  await preferLeader(topic, [2, 1])
  await until('broker 2 leads', async () => (await leaders(topic)).every(leader => leader === 2))
  await progress()
  await cluster.kill(2)
  await until('broker 1 leads', async () => (await leaders(topic)).every(leader => leader === 1), {
    timeoutMs: 40_000,
  })
  await progress()
  running = false
  const sent = await Promise.all(clients)
  expect(failed).toEqual([])
  const found = await readTopic(cluster.addresses.join(), topic)
  const places = new Map(found.map(({ partition, offset, value }) => [`${partition}@${offset}`, `${value}`]))
  expect(new Map([...acknowledged.keys()].map(place => [place, places.get(place)]))).toEqual(acknowledged)
  for (const partition of [0, 1, 2]) {
    const values = found.filter(record => record.partition === partition).map(({ value }) => `${value}`)
    expect(values).toEqual(
      Array.from({ length: sent[partition] ?? 0 }, (_, index) => `"${partition}:${index}"`),
    )
  }
  await cluster.restart(2)
}, 300_000)

test('a partition without a leader holds up no other, and is served when its broker is back', async () => {
  const topic = uniqueName('alone')
  const assignments = [
    { partition: 0, brokers: [1] },
    { partition: 1, brokers: [2] },
  ]
  await admin.createTopics({ topics: [topic], assignments })
  await until('both lead', async () => (await leaders(topic)).join() === '1,2')
  await node.produce(`/topics/${topic}/partitions/1`, { records: [{ value: 0 }] })
  await cluster.kill(2)
  await until('partition 1 has no leader', async () => (await leaders(topic)).join() === '1,-1', {
    timeoutMs: 40_000,
  })
  const waiting = node.produce(`/topics/${topic}/partitions/1`, { records: [{ value: 1 }] })
  for (let offset = 0; offset < 5; offset++) {
    const answer = await node.produce(`/topics/${topic}/partitions/0`, { records: [{ value: offset }] })
    expect(answer.json()).toMatchObject({ offsets: [{ partition: 0, offset, error: null }] })
  }
  // Records without a partition and a key go where there is a leader.
  const free = await node.produce(`/topics/${topic}`, { records: [{ value: 5 }] })
  expect(free.json()).toMatchObject({ offsets: [{ partition: 0, offset: 5, error: null }] })
  expect((await node.request('GET', `/topics/${topic}`)).json()).toMatchObject({
    partitions: [{ leader: 1 }, { leader: -1, replicas: [{ broker: 2, leader: false }] }],
  })
  await cluster.restart(2)
  expect((await waiting).json()).toMatchObject({ offsets: [{ partition: 1, offset: 1, error: null }] })
}, 300_000)
