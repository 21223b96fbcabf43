import { readFileSync } from 'node:fs'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/observability/logger.ts'
import { SettingsError } from '../shared/settings/load.ts'
import {
  type ClientKind,
  type ClientOptions,
  kafkajsSasl,
  platformaticSecurity,
  readClientOptions,
  sameConnections,
} from './kafka/client-options.ts'
import { type KafkaDeps, type KafkaSettings, type KafkaView, openKafka, openKafkaView } from './open-kafka.ts'

/** What the pass-through keys say about the node's clients. */
export type KafkaClients = Readonly<Record<ClientKind, ClientOptions>>

const kinds = ['consumer', 'producer', 'admin'] as const

/**
 * Reads the `client.`, `consumer.`, `producer.` and `admin.` keys that are no rows of the settings table (contract v2
 * §5.2). Those that do nothing here are said in the log, by name only: a value may be secret.
 * @throws SettingsError that lists what cannot be supported.
 */
export function readClients(
  passThrough: ReadonlyMap<string, string>,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): KafkaClients {
  const problems = new Set<string>()
  const read = (kind: ClientKind) => {
    try {
      return readClientOptions(kind, passThrough, { clock, fetch, readFile: path => readFileSync(path) })
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      for (const problem of error.problems) problems.add(problem)
      return undefined
    }
  }
  const [consumer, producer, admin] = kinds.map(read)
  if (!consumer || !producer || !admin) throw new SettingsError([...problems])
  const keys = [...new Set([...consumer.unused, ...producer.unused, ...admin.unused])]
  if (keys.length > 0) log.warn({ keys }, 'these settings of Kafka clients do nothing here')
  return { consumer, producer, admin }
}

interface OpenDeps extends Omit<KafkaDeps, 'clientId' | 'security'> {
  readonly passThrough: ReadonlyMap<string, string>
  /** Kafka's logs and quotas tell clients apart by it, unless the operator names another. */
  readonly clientId: string
}

/**
 * Opens Kafka for each client with its own credentials. Clients whose keys are the same share one view: one cache of
 * metadata and one set of connections for the node, which is the rule. With users of their own each sees what the
 * brokers show to its user, and no request is refused for a right that another client lacks.
 */
export function openClients(settings: KafkaSettings, deps: OpenDeps) {
  const { passThrough, clientId } = deps
  const options = readClients(passThrough, deps)
  const of = (kind: ClientKind) => ({
    ...deps,
    clientId: options[kind].clientId ?? clientId,
    security: platformaticSecurity(options[kind].security),
  })
  const kafka = openKafka(settings, of('consumer'))
  const opened: { readonly kind: ClientKind; readonly view: KafkaView }[] = [
    { kind: 'consumer', view: kafka },
  ]
  const viewOf = (kind: ClientKind): KafkaView => {
    const shared = opened.find(other => sameConnections(passThrough, kind, other.kind))
    const view = shared?.view ?? openKafkaView(settings, of(kind))
    if (!shared) opened.push({ kind, view })
    return view
  }
  const [producer, admin] = [viewOf('producer'), viewOf('admin')]
  const { security } = options.producer
  return {
    kafka,
    producer,
    admin,
    /** Each view once. */
    views: opened.map(({ view }) => view),
    /** How kafkajs connects for the producers. */
    connection: {
      clientId: options.producer.clientId ?? clientId,
      connectTimeoutMs: settings['kafka.connect.timeout.ms'],
      reconnectBackoffMs: settings['kafka.reconnect.backoff.ms'],
      reconnectBackoffMaxMs: settings['kafka.reconnect.backoff.max.ms'],
      tls: security.tls,
      sasl: kafkajsSasl(security),
    },
    async stop() {
      for (const { view } of opened.toReversed()) await view.stop()
    },
  }
}
