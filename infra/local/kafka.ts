import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedDirectory, type SetupContext } from './cache.ts'
import { runCommand } from './command.ts'
import { freePort } from './free-port.ts'
import { javaCommand, requireJava } from './java.ts'
import { installKafka, KAFKA_VERSION } from './kafka-install.ts'
import { kafkaAnswers } from './kafka-probe.ts'
import { type PartExit, type PartProcess, startPart, untilReady } from './part-process.ts'
import { propertiesText } from './properties.ts'
import { SetupError } from './setup-error.ts'

/** A listener besides the plain one, for tests of TLS and SASL; its key material is in `properties`. */
export interface KafkaListener {
  name: string
  protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  port: number
}

export interface KafkaOptions extends SetupContext {
  /** Folder for data, configuration and log of this broker. Data in it is used again. */
  dir: string
  /** Port of the plain listener: this one, or a free one when it is taken. */
  preferredPort?: number | undefined
  /** Name for log lines; default `Kafka`. */
  name?: string
  extraListeners?: KafkaListener[]
  /** Server properties over the defaults below. */
  properties?: Record<string, string>
  /** Options of the Java machine; default: 512 MB heap. */
  javaOptions?: string[]
  pidDir?: string | undefined
}

const READY_TIMEOUT_MS = 90_000
const STOP_GRACE_MS = 20_000
const CLUSTER_ID = 'a2Fma2EtcmVzdC1sb2NhbA'

/** Defaults of a single broker that is used at once and thrown away: small topics, no first wait. */
const SINGLE_BROKER = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '8',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '2',
  'group.initial.rebalance.delay.ms': '0',
  // After kill -9 a restarted broker is refused until its old session has ended (default 9 s).
  'broker.session.timeout.ms': '4000',
  'broker.heartbeat.interval.ms': '500',
  'auto.create.topics.enable': 'true',
  'num.partitions': '1',
  // Records carry the times that their clients say: old ones would be gone at the broker's next look.
  'log.retention.ms': '-1',
  'log.cleaner.dedupe.buffer.size': '16777216',
}

const LOG4J2 = `Configuration:
  status: "warn"
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
`

/** The properties that follow from the ports: who listens where, and where the controller is. */
export function listenerProperties(
  port: number,
  controllerPort: number,
  extra: KafkaListener[],
): Record<string, string> {
  const clients: KafkaListener[] = [{ name: 'PLAINTEXT', protocol: 'PLAINTEXT', port }, ...extra]
  const all = [...clients, { name: 'CONTROLLER', protocol: 'PLAINTEXT', port: controllerPort }]
  const addresses = (list: { name: string; port: number }[]) =>
    list.map(listener => `${listener.name}://127.0.0.1:${listener.port}`).join(',')
  return {
    listeners: addresses(all),
    'advertised.listeners': addresses(clients),
    'listener.security.protocol.map': all.map(({ name, protocol }) => `${name}:${protocol}`).join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
  }
}

/** A single Kafka broker in KRaft mode that we own. It can be stopped, killed and started again. */
export class LocalKafka {
  readonly address: string
  readonly dir: string
  readonly libsDir: string
  readonly #options: KafkaOptions
  readonly #port: number
  #process: PartProcess

  private constructor(options: KafkaOptions, libsDir: string, port: number, part: PartProcess) {
    this.#options = options
    this.#port = port
    this.#process = part
    this.address = `127.0.0.1:${port}`
    this.dir = options.dir
    this.libsDir = libsDir
  }

  /**
   * Installs Kafka when needed, formats the data folder, starts the broker and waits until it answers a
   * metadata request. Throws SetupError with a remedy when Java or Maven is missing or the start fails.
   */
  static async start(options: KafkaOptions): Promise<LocalKafka> {
    await requireJava('Kafka', 'pass --bootstrap-servers HOST:PORT of a Kafka that runs')
    const libsDir = await installKafka(options)
    const port = await freePort(options.preferredPort)
    const controllerPort = await freePort()
    mkdirSync(options.dir, { recursive: true })
    const dataDir = join(options.dir, 'data')
    cpSync(await formattedDataDir(libsDir), dataDir, { recursive: true, force: false })
    const properties = {
      ...SINGLE_BROKER,
      'log.dirs': dataDir,
      ...listenerProperties(port, controllerPort, options.extraListeners ?? []),
      ...options.properties,
    }
    writeFileSync(join(options.dir, 'server.properties'), propertiesText(properties), { mode: 0o600 })
    writeFileSync(join(options.dir, 'log4j2.yaml'), LOG4J2)
    return new LocalKafka(options, libsDir, port, await launch(options, libsDir, port))
  }

  get process(): PartProcess {
    return this.#process
  }

  /** Starts the broker again on the same data and ports after `stop` or `kill`; waits until it is ready. */
  async restart(): Promise<void> {
    if (this.#process.running) await this.stop()
    this.#process = await launch(this.#options, this.libsDir, this.#port)
  }

  /** An orderly stop: SIGTERM, then SIGKILL after a bound. */
  stop(): Promise<PartExit> {
    return this.#process.stop(STOP_GRACE_MS)
  }

  /** kill -9. */
  kill(): Promise<PartExit> {
    return this.#process.kill()
  }
}

async function launch(options: KafkaOptions, libsDir: string, port: number): Promise<PartProcess> {
  const part = await startPart({
    name: options.name ?? 'Kafka',
    command: javaCommand(),
    args: [
      ...(options.javaOptions ?? ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC']),
      `-Dlog4j2.configurationFile=${join(options.dir, 'log4j2.yaml')}`,
      '-cp',
      join(libsDir, '*'),
      'kafka.Kafka',
      join(options.dir, 'server.properties'),
    ],
    logFile: join(options.dir, 'kafka.log'),
    cwd: options.dir,
    pidDir: options.pidDir,
  })
  try {
    await untilReady(part, () => kafkaAnswers(port), { timeoutMs: READY_TIMEOUT_MS, signal: options.signal })
  } catch (error) {
    await part.kill()
    throw error
  }
  return part
}

/**
 * A data folder formatted once by Kafka's own StorageTool and copied for each broker: formatting needs a
 * Java start of its own (about 2 s). Nothing in it depends on ports.
 */
function formattedDataDir(libsDir: string): Promise<string> {
  return cachedDirectory(`kafka-${KAFKA_VERSION}-formatted`, async tempDir => {
    const dataDir = join(tempDir, 'data')
    const configFile = join(tempDir, 'server.properties')
    const properties = { ...SINGLE_BROKER, 'log.dirs': dataDir, ...listenerProperties(9092, 9093, []) }
    writeFileSync(configFile, propertiesText(properties))
    const args = ['-cp', join(libsDir, '*'), 'kafka.tools.StorageTool', 'format']
    const result = await runCommand(javaCommand(), [...args, '-t', CLUSTER_ID, '-c', configFile], {
      cwd: tempDir,
    })
    if (result?.code !== 0) {
      throw new SetupError(`Kafka's data folder could not be formatted:\n${result?.stdout}${result?.stderr}`)
    }
  }).then(directory => join(directory, 'data'))
}
