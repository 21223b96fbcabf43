import { join } from 'node:path'
import { runCommand } from '../../infra/local/command.ts'
import { javaCommand } from '../../infra/local/java.ts'

/** What Kafka's own performance tools need. */
export interface JavaToolOptions {
  /** Folder with Kafka's jars. */
  readonly libsDir: string
  /** `host:port` of the broker. */
  readonly broker: string
  readonly topic: string
  readonly records: number
  readonly pidDir: string
  readonly signal: AbortSignal
}

/** Fills a topic with records taken at random from the lines of a file, and waits until they are written. */
export async function fillTopic(options: JavaToolOptions, payloadFile: string): Promise<void> {
  const { broker, topic, records } = options
  const args = ['--topic', topic, '--num-records', `${records}`, '--payload-file', payloadFile]
  const all = [...args, '--throughput', '-1', '--producer-props', `bootstrap.servers=${broker}`, 'acks=all']
  await runTool('org.apache.kafka.tools.ProducerPerformance', all, options)
}

/** What kafka-producer-perf-test says of a run. */
export interface ProducerFigures {
  readonly recordsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Kafka's own kafka-producer-perf-test: one Java producer with its defaults and `acks=all`, as fast as it can. Its
 * batches are as full as they get, since it never waits for an answer.
 */
export async function measureJavaProducer(
  options: JavaToolOptions,
  recordBytes: number,
): Promise<ProducerFigures> {
  const { broker, topic, records } = options
  const args = ['--topic', topic, '--num-records', `${records}`, '--record-size', `${recordBytes}`]
  const properties = [`bootstrap.servers=${broker}`, 'acks=all']
  const all = [...args, '--throughput', '-1', '--producer-props', ...properties]
  return parseProducer(await runTool('org.apache.kafka.tools.ProducerPerformance', all, options))
}

/** The summary is the last line with percentiles. @throws Error when there is none. */
export function parseProducer(output: string): ProducerFigures {
  const line = output.split('\n').findLast(text => text.includes('99th'))
  const figure = (pattern: RegExp) => {
    const found = pattern.exec(line ?? '')?.[1]
    if (found === undefined) throw new Error(`the producer tool printed no summary:\n${output}`)
    return Number(found)
  }
  return {
    recordsPerSecond: figure(/([\d.]+) records\/sec/),
    p50Ms: figure(/([\d.]+) ms 50th/),
    p99Ms: figure(/([\d.]+) ms 99th/),
  }
}

/** Kafka's own kafka-consumer-perf-test: one Java consumer with its defaults. @returns records per second. */
export async function measureJavaConsumer(options: JavaToolOptions): Promise<number> {
  const { broker, topic, records } = options
  const args = ['--bootstrap-server', broker, '--topic', topic, '--messages', `${records}`]
  const output = await runTool('org.apache.kafka.tools.ConsumerPerformance', args, options)
  return parseConsumer(output)
}

/** A line of column names, then one of figures: the rate of the fetches alone, without the joining of the group. */
export function parseConsumer(output: string): number {
  const lines = output.split('\n').filter(line => line.includes(','))
  const names =
    lines
      .at(-2)
      ?.split(',')
      .map(name => name.trim()) ?? []
  const rate = lines.at(-1)?.split(',')[names.indexOf('fetch.nMsg.sec')]
  if (rate === undefined) throw new Error(`the consumer tool printed no figures:\n${output}`)
  return Number(rate)
}

async function runTool(tool: string, args: string[], options: JavaToolOptions): Promise<string> {
  const { libsDir, pidDir, signal } = options
  const java = ['-Xmx256m', '-XX:+UseSerialGC', '-cp', join(libsDir, '*'), tool, ...args]
  const result = await runCommand(javaCommand(), java, { pidDir, signal })
  if (result?.code !== 0)
    throw new Error(`${tool} failed (${result?.code}):\n${result?.stdout}${result?.stderr}`)
  return result.stdout
}
