import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../infra/local/command.ts'
import { freePort } from '../../infra/local/free-port.ts'
import { javaCommand } from '../../infra/local/java.ts'
import { kafkaAnswers } from '../../infra/local/kafka-probe.ts'
import { type PartProcess, startPart, untilReady } from '../../infra/local/part-process.ts'
import { propertiesText } from '../../infra/local/properties.ts'
import { kafkaLibsDir, newTestDir, testPidDir } from './services.ts'

interface Node {
  readonly id: number
  readonly port: number
  readonly dir: string
  process: PartProcess
}

const CLUSTER_ID = 'dGVzdC1rYWZrYS1jbHVzdGVyLQ'
const NODES = 3
/** Three JVMs at once on a busy machine. */
const START_TIMEOUT_MS = 150_000

/**
 * Three brokers that are controllers too, for tests of what a single one cannot show: several leaders in one read, a
 * leader or a coordinator that moves. Stop it in `afterAll`.
 */
export class KafkaTestCluster {
  readonly #nodes: readonly Node[]

  private constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
  }

  static async start(): Promise<KafkaTestCluster> {
    const controllerPorts = await Promise.all(Array.from({ length: NODES }, () => freePort()))
    const voters = controllerPorts.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(',')
    const nodes = await Promise.all(
      controllerPorts.map(async (controllerPort, index) => {
        const id = index + 1
        const [port, dir] = [await freePort(), newTestDir(`kafka-${id}`)]
        const properties = clusterProperties({ id, port, controllerPort, voters, dir })
        writeFileSync(join(dir, 'server.properties'), propertiesText(properties))
        await format(dir)
        return { id, port, dir }
      }),
    )
    const started = await Promise.all(nodes.map(async node => ({ ...node, process: await launch(node.dir) })))
    await Promise.all(started.map(answers))
    return new KafkaTestCluster(started)
  }

  get addresses(): string[] {
    return this.#nodes.map(({ port }) => `127.0.0.1:${port}`)
  }

  /** kill -9 of one broker. */
  async kill(id: number): Promise<void> {
    await this.#node(id).process.kill()
  }

  /** SIGSTOP and SIGCONT of one broker. */
  signal(id: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#node(id).process.signal(signal)
  }

  async restart(id: number): Promise<void> {
    const node = this.#node(id)
    node.process = await launch(node.dir)
    await answers(node)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map(({ process }) => process.kill()))
  }

  #node(id: number): Node {
    const node = this.#nodes.find(candidate => candidate.id === id)
    if (!node) throw new Error(`there is no broker ${id}`)
    return node
  }
}

function clusterProperties(node: {
  id: number
  port: number
  controllerPort: number
  voters: string
  dir: string
}): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': node.voters,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': join(node.dir, 'data'),
    'offsets.topic.replication.factor': '3',
    'offsets.topic.num.partitions': '6',
    'min.insync.replicas': '1',
    'group.initial.rebalance.delay.ms': '0',
    'broker.session.timeout.ms': '6000',
    'broker.heartbeat.interval.ms': '500',
    'log.cleaner.dedupe.buffer.size': '16777216',
  }
}

async function format(dir: string): Promise<void> {
  mkdirSync(join(dir, 'data'), { recursive: true })
  const args = ['-cp', join(kafkaLibsDir(), '*'), 'kafka.tools.StorageTool', 'format']
  const result = await runCommand(
    javaCommand(),
    [...args, '-t', CLUSTER_ID, '-c', join(dir, 'server.properties')],
    {
      cwd: dir,
    },
  )
  if (result?.code !== 0) throw new Error(`formatting failed:\n${result?.stdout}${result?.stderr}`)
}

function answers({ process, port }: Pick<Node, 'process' | 'port'>): Promise<void> {
  return untilReady(process, () => kafkaAnswers(port), { timeoutMs: START_TIMEOUT_MS })
}

function launch(dir: string): Promise<PartProcess> {
  return startPart({
    name: 'Kafka',
    command: javaCommand(),
    args: [
      ...['-Xms128m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
      ...['-cp', join(kafkaLibsDir(), '*'), 'kafka.Kafka', join(dir, 'server.properties')],
    ],
    logFile: join(dir, 'kafka.log'),
    cwd: dir,
    pidDir: testPidDir(),
  })
}
