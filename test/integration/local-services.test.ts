import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../infra/local/free-port.ts'
import { kafkaAnswers } from '../../infra/local/kafka-probe.ts'
import { runJava } from '../support/java-client.ts'
import { RawConnection } from '../support/raw-connection.ts'
import {
  kafkaAddress,
  schemaRegistryUrl,
  startPrivateKafka,
  startPrivateRedis,
  uniqueName,
} from '../support/services.ts'

/** Sends 20 records to a topic that does not exist yet, and prints the last offset. */
const PRODUCE = `
import java.util.Map;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;
public class Produce {
  public static void main(String[] args) throws Exception {
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all");
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      RecordMetadata last = null;
      for (int i = 0; i < 20; i++) last = producer.send(new ProducerRecord<>(args[1], "k", "v" + i)).get();
      System.out.println(last.offset());
    }
  }
}`

/** Reads the topic from its start until 20 records are there, and prints the first and the last value. */
const CONSUME = `
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
public class Consume {
  public static void main(String[] args) {
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "auto.offset.reset", "earliest");
    var values = new ArrayList<String>();
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.assign(List.of(new TopicPartition(args[1], 0)));
      while (values.size() < 20) for (var r : consumer.poll(Duration.ofMillis(200))) values.add(r.value());
    }
    System.out.println(values.get(0) + " " + values.get(values.size() - 1));
  }
}`

test('the shared services that test/run.ts started answer', async () => {
  expect(await kafkaAnswers(Number(kafkaAddress().split(':')[1]))).toBe(true)
  const subjects = await fetch(`${schemaRegistryUrl()}/subjects`)
  expect(subjects.status).toBe(200)
})

test('a broker that was killed comes back on its port with every acknowledged record', async () => {
  const saslPort = await freePort()
  const kafka = await startPrivateKafka({
    extraListeners: [{ name: 'EXTRA', protocol: 'SASL_PLAINTEXT', port: saslPort }],
    properties: {
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.extra.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";',
    },
  })
  onTestFinished(async () => void (await kafka.stop()))
  const topic = uniqueName('restart')
  expect(await runJava('Produce', PRODUCE, { args: [kafka.address, topic] })).toBe('19\n')
  const firstPid = kafka.process.pid
  expect(await kafka.kill()).toEqual({ code: null, signal: 'SIGKILL' })
  expect(await kafkaAnswers(Number(kafka.address.split(':')[1]))).toBe(false)
  await kafka.restart()
  expect(kafka.process.pid).not.toBe(firstPid)
  expect(await runJava('Consume', CONSUME, { args: [kafka.address, topic] })).toBe('v0 v19\n')
})

test('a Redis with a password refuses without it, and is empty after a restart', async () => {
  const redis = await startPrivateRedis({ password: 'p w"d' })
  onTestFinished(async () => void (await redis.stop()))
  const base = `http://${redis.address}`
  const ask = async (command: string, answer: RegExp) => {
    const connection = await RawConnection.open(base)
    connection.send(command)
    await connection.receive(answer)
    connection.end()
  }
  await ask('GET a\r\n', /^-NOAUTH/)
  await ask('AUTH "p w\\"d"\r\nSET a 1\r\nGET a\r\n', /^\+OK\r\n\+OK\r\n\$1\r\n1\r\n/)
  await redis.kill()
  await redis.restart()
  await ask('AUTH "p w\\"d"\r\nGET a\r\n', /^\+OK\r\n\$-1\r\n/)
})
