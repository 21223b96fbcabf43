import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawOperatorToken } from '../../shared/security/operator-tokens.ts'
import type { SetupContext } from './cache.ts'
import { freePort } from './free-port.ts'
import { LocalKafka } from './kafka.ts'
import { kafkaAnswers } from './kafka-probe.ts'
import type { PartProcess } from './part-process.ts'
import { LocalRedis, redisAnswers } from './redis.ts'
import { pidDirOf } from './run-dir.ts'
import type { RunningParts } from './running-parts.ts'
import { LocalSchemaRegistry } from './schema-registry.ts'
import { sampleSession } from './session.ts'
import { SetupError } from './setup-error.ts'
import { type SingleProcess, startSingleProcess } from './single-process-part.ts'
import type { StartOptions } from './start-options.ts'
import { LocalTier, type TierSettings } from './tier.ts'

/** Usual ports of the parts; each takes a free one when its own is taken. Only the gateway's is fixed. */
const KAFKA_PORT = 9092
const REDIS_PORT = 6379
const SCHEMA_REGISTRY_PORT = 8081
const GATEWAY_ADMIN_PORT = 8092
const FIRST_NODE_PORT = 8083
const FIRST_NODE_ADMIN_PORT = 8093

/** Where the services of the gateway and the nodes are. */
interface Services {
  bootstrapServers: string
  /** undefined: there is no Redis to be had. */
  redisUrl: string | undefined
  /** undefined: there is no Schema Registry to be had. */
  schemaRegistryUrl: string | undefined
}

/** Kafka, Redis, a Schema Registry, the proxy nodes and the gateway, as `npm start` runs them. */
export class System {
  readonly #options: StartOptions
  readonly #parts: RunningParts
  readonly #runDir: string
  readonly #print: (line: string) => void
  /** What is missing but not needed; printed only when the start goes on. */
  readonly #notes: string[] = []
  readonly #context: SetupContext & { pidDir: string }

  constructor(options: StartOptions, parts: RunningParts, runDir: string, print: (line: string) => void) {
    this.#options = options
    this.#parts = parts
    this.#runDir = runDir
    this.#print = print
    this.#context = { progress: print, signal: parts.signal, pidDir: pidDirOf(runDir) }
  }

  /**
   * Starts everything and prints a line for each part, then the address and a session to copy. Throws
   * SetupError; what runs by then is in the parts and has to be stopped.
   */
  async start(): Promise<void> {
    await this.#requireGatewayPort()
    await this.#requireGivenServices()
    const services = await this.#startServices()
    const operator = drawOperatorToken('npm-start')
    const common = {
      'internal.token': randomBytes(32).toString('hex'),
      'admin.tokens': operator.entry,
      'bootstrap.servers': services.bootstrapServers,
      'schema.registry.url': services.schemaRegistryUrl ?? '',
    }
    const adminUrl =
      services.redisUrl === undefined
        ? await this.#startSingleProcess(common)
        : await this.#startTiers({ ...common, 'redis.url': services.redisUrl })
    this.#printOperators(adminUrl, operator.token)
    this.#print('')
    this.#print(`Ready: http://127.0.0.1:${this.#options.port}   (Ctrl-C stops everything)`)
    this.#print('')
    this.#print(sampleSession(`http://127.0.0.1:${this.#options.port}`))
  }

  async #requireGatewayPort(): Promise<void> {
    const { port } = this.#options
    // Reserved from here on: no other part is given it.
    if ((await freePort(port)) === port) return
    throw new SetupError(
      `Port ${port} on 127.0.0.1 is taken or not allowed: choose another one with npm start -- --port ${port + 1}.`,
    )
  }

  async #requireGivenServices(): Promise<void> {
    const { bootstrapServers, redis } = this.#options
    if (bootstrapServers !== undefined) {
      const answers = await Promise.all(
        bootstrapServers.split(',').map(address => {
          const { hostname, port } = new URL(`tcp://${address}`)
          return kafkaAnswers(Number(port), hostname.replace(/^\[|\]$/g, ''))
        }),
      )
      if (!answers.includes(true)) {
        throw new SetupError(`No Kafka answers at ${bootstrapServers}: start it, or correct the address.`)
      }
    }
    // Behind TLS (rediss:) only the client can tell; the nodes' readiness shows it then.
    if (redis?.startsWith('redis:')) {
      const { hostname, port, host } = new URL(redis)
      if (!(await redisAnswers(Number(port || REDIS_PORT), hostname.replace(/^\[|\]$/g, '')))) {
        throw new SetupError(`No Redis answers at ${host}: start it, or correct the address.`)
      }
    }
  }

  async #startServices(): Promise<Services> {
    const [bootstrapServers, redisUrl, schemaRegistryUrl] = await this.#parts.together([
      this.#kafka(),
      this.#redis(),
      this.#schemaRegistry(),
    ])
    for (const note of this.#notes) this.#print(note)
    return { bootstrapServers, redisUrl, schemaRegistryUrl }
  }

  async #kafka(): Promise<string> {
    if (this.#options.bootstrapServers !== undefined) return this.#options.bootstrapServers
    const starting = LocalKafka.start({
      ...this.#context,
      dir: join(this.#runDir, 'kafka'),
      preferredPort: KAFKA_PORT,
    })
    const kafka = await this.#parts.add(starting)
    this.#printPart('Kafka', kafka.address, kafka.process)
    return kafka.address
  }

  /** Without Redis the system still runs, in one process: that is said in one line. */
  async #redis(): Promise<string | undefined> {
    if (this.#options.inMemory) return undefined
    if (this.#options.redis !== undefined) return this.#options.redis
    const options = { ...this.#context, dir: join(this.#runDir, 'redis'), preferredPort: REDIS_PORT }
    try {
      const redis = await this.#parts.add(LocalRedis.start(options))
      this.#printPart('Redis', redis.address, redis.process)
      return redis.url
    } catch (error) {
      if (!(error instanceof SetupError) || this.#context.signal?.aborted) throw error
      const without = 'gateway and nodes run in one process, with the routing table in memory'
      this.#notes.push(`Redis: none, so ${without}. ${firstLine(error.message)}`)
      return undefined
    }
  }

  /** Without a Schema Registry binary and JSON records still work: that is said in one line. */
  async #schemaRegistry(): Promise<string | undefined> {
    if (this.#options.schemaRegistryUrl !== undefined) return this.#options.schemaRegistryUrl
    const starting = LocalSchemaRegistry.start({
      ...this.#context,
      dir: join(this.#runDir, 'schema-registry'),
      preferredPort: SCHEMA_REGISTRY_PORT,
    })
    try {
      const registry = await this.#parts.add(starting)
      this.#printPart('Schema Registry', registry.address, registry.process)
      return registry.url
    } catch (error) {
      if (!(error instanceof SetupError) || this.#context.signal?.aborted) throw error
      const without = 'Avro, JSON Schema and Protobuf requests will fail'
      this.#notes.push(`Schema Registry: none, so ${without}. ${firstLine(error.message)}`)
      return undefined
    }
  }

  /** @returns the gateway's admin address. */
  async #startTiers(settings: TierSettings): Promise<string> {
    const gatewayAdminPort = await freePort(GATEWAY_ADMIN_PORT)
    const ports: { id: string; port: number; adminPort: number }[] = []
    for (let index = 0; index < this.#options.nodes; index += 1) {
      const port = await freePort(FIRST_NODE_PORT + index)
      const adminPort = await freePort(FIRST_NODE_ADMIN_PORT + index)
      ports.push({ id: `node-${index + 1}`, port, adminPort })
    }
    const nodes = await this.#parts.together(ports.map(node => this.#tier('proxy-node', node, settings)))
    for (const node of nodes) this.#printPart(node.id, node.address, node.process)
    const { 'bootstrap.servers': _, 'schema.registry.url': __, ...common } = settings
    const gateway = await this.#tier(
      'gateway',
      { id: 'gateway', port: this.#options.port, adminPort: gatewayAdminPort },
      { ...common, nodes: nodes.map(node => `${node.id}=${node.url}`).join(',') },
    )
    this.#printPart(gateway.id, gateway.address, gateway.process)
    return gateway.adminUrl
  }

  #tier(
    tier: 'gateway' | 'proxy-node',
    place: { id: string; port: number; adminPort: number },
    settings: TierSettings,
  ): Promise<LocalTier> {
    const { pidDir, signal } = this.#context
    return this.#parts.add(LocalTier.start({ tier, ...place, dir: this.#runDir, settings, pidDir, signal }))
  }

  /** @returns the gateway's admin address. */
  async #startSingleProcess(settings: TierSettings): Promise<string> {
    const part: SingleProcess = await this.#parts.add(
      startSingleProcess({
        dir: this.#runDir,
        port: this.#options.port,
        nodes: this.#options.nodes,
        settings,
        pidDir: this.#context.pidDir,
        signal: this.#context.signal,
      }),
    )
    this.#printPart(`gateway, node-1 … node-${this.#options.nodes}`, part.address, part.process)
    return part.adminUrl
  }

  /** The token is in a file of this user's: what is printed is often kept, or shown to others. */
  #printOperators(adminUrl: string, token: string): void {
    const file = join(this.#runDir, 'operator-token')
    writeFileSync(file, `${token}\n`, { mode: 0o600 })
    this.#print(`Operators: infra/cli/kafka-rest-gateway.mjs nodes --url ${adminUrl} --token-file ${file}`)
  }

  #printPart(name: string, address: string, part: PartProcess): void {
    this.#print(`${name.padEnd(16)} ${address.padEnd(16)} pid ${String(part.pid).padEnd(8)} ${part.logFile}`)
  }
}

const firstLine = (text: string): string => text.split('\n')[0] ?? ''
