import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { gatewaySettings } from '../../gateway/settings.ts'
import { checkSettings as checkGateway } from '../../gateway/settings-check.ts'
import { proxyNodeSettings } from '../../proxy-node/settings.ts'
import { checkSettings as checkNode } from '../../proxy-node/settings-check.ts'
import { createAdmin } from '../../shared/http/admin.ts'
import { Metrics } from '../../shared/observability/metrics.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { stopTimeMs } from '../stop-time.ts'

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly failureThreshold: number
}

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string }
    readonly secretKeyRef?: { readonly name: string; readonly key: string }
  }
}

interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env: readonly Variable[]
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly readinessProbe: Probe
  readonly livenessProbe: Probe
  readonly lifecycle?: unknown
  readonly resources: { readonly limits: { readonly memory: string } }
}

interface PodTemplate {
  readonly metadata: { readonly labels: Record<string, string> }
  readonly spec: {
    readonly enableServiceLinks?: boolean
    readonly terminationGracePeriodSeconds: number
    readonly containers: readonly [Container]
  }
}

interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Record<string, string>
  readonly stringData?: Record<string, string>
  // Of the kinds that the tests look at; each test says which it expects.
  readonly spec: {
    readonly selector: Record<string, string> & { readonly matchLabels?: Record<string, string> }
    readonly template: PodTemplate
    readonly replicas: number
    readonly serviceName?: string
    readonly clusterIP?: string
    readonly ports: readonly { readonly port: number; readonly targetPort: string }[]
  }
}

const documents = parseAllDocuments(readFileSync(join(import.meta.dirname, 'kafka-rest.yml'), 'utf8'))
const resources = documents.map(document => document.toJS() as Resource)

function resource(kind: string, name: string): Resource {
  const found = resources.find(one => one.kind === kind && one.metadata.name === name)
  if (!found) throw new Error(`no ${kind} ${name}`)
  return found
}

const gateway = resource('Deployment', 'kafka-rest-gateway').spec
const node = resource('StatefulSet', 'kafka-rest-node').spec
const containerOf = ({ template }: Resource['spec']) => template.spec.containers[0]

/** What Kubernetes fills in for the fields of a pod. */
const fields: Record<string, string> = { 'metadata.name': 'kafka-rest-node-0', 'status.podIP': '10.0.0.7' }

/** The variables that the process sees, as Kubernetes puts them together. */
function environmentOf(spec: Resource['spec']): Record<string, string> {
  const { env, envFrom } = containerOf(spec)
  const all: Record<string, string> = {}
  for (const { configMapRef } of envFrom)
    Object.assign(all, resource('ConfigMap', configMapRef.name).data ?? {})
  for (const { name, value, valueFrom } of env) {
    const { fieldRef, secretKeyRef } = valueFrom ?? {}
    const filled =
      value ??
      (fieldRef && fields[fieldRef.fieldPath]) ??
      (secretKeyRef && resource('Secret', secretKeyRef.name).stringData?.[secretKeyRef.key])
    if (filled === undefined) throw new Error(`${name} comes from nowhere`)
    all[name] = filled.replace(/\$\((\w+)\)/g, (_, variable: string) => all[variable] ?? '')
  }
  return all
}

const prefixes = ['client.', 'consumer.', 'producer.', 'admin.', 'schema.registry.']
const loadedGateway = loadSettings(gatewaySettings, new Map(), environmentOf(gateway))
const loadedNode = loadSettings(proxyNodeSettings, new Map(), environmentOf(node), prefixes)

test('every document is YAML without a mistake, and of a kind that is known here', () => {
  expect(documents.flatMap(document => [...document.errors, ...document.warnings])).toEqual([])
  expect(resources.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual([
    'v1 Secret',
    'v1 ConfigMap',
    'v1 ConfigMap',
    'v1 Service',
    'apps/v1 Deployment',
    'policy/v1 PodDisruptionBudget',
    'v1 Service',
    'apps/v1 StatefulSet',
    'policy/v1 PodDisruptionBudget',
  ])
})

describe.each([
  ['gateway', gateway, loadedGateway, gatewaySettings],
  ['proxy-node', node, loadedNode, proxyNodeSettings],
] as const)('%s', (tier, spec, { settings, unknown, passThrough }, rows) => {
  const { template } = spec
  const container = containerOf(spec)
  const portNamed = (name: string) => container.ports.find(port => port.name === name)?.containerPort

  test('every variable is a setting', () => {
    expect(unknown).toEqual([])
    expect([...passThrough.keys()]).toEqual([])
    expect(settings['internal.token']).not.toBe('')
    expect(settings['redis.url']).toMatch(/^redis:/)
  })

  test('the ports are the default ones, and those that it listens on', () => {
    const byDefault = (key: string) => new URL(rows.find(row => row.key === key)?.default ?? '').port
    expect(String(portNamed('http'))).toBe(byDefault('listeners'))
    expect(String(portNamed('admin'))).toBe(byDefault('admin.listener'))
    expect(settings.listeners).toEqual([`http://0.0.0.0:${portNamed('http')}`])
    expect(settings['admin.listener']).toBe(`http://0.0.0.0:${portNamed('admin')}`)
  })

  test('the probes ask what the admin listener answers: only /ready depends on others', async () => {
    const checks = [{ name: 'kafka', check: async () => 'away' }]
    const admin = createAdmin({ checks, metrics: new Metrics([], { process: false }) })
    const { readinessProbe, livenessProbe } = container
    for (const { httpGet } of [readinessProbe, livenessProbe]) expect(httpGet.port).toBe('admin')
    expect((await admin.request(readinessProbe.httpGet.path)).status).toBe(503)
    expect((await admin.request(livenessProbe.httpGet.path)).status).toBe(200)
  })

  test('it selects its own pods, and so do its service and its budget', () => {
    const { labels } = template.metadata
    const name = labels['app.kubernetes.io/name'] ?? ''
    expect(spec.selector.matchLabels).toEqual(labels)
    expect(resource('PodDisruptionBudget', name).spec.selector.matchLabels).toEqual(labels)
    const services = resources.filter(({ kind, spec }) => kind === 'Service' && isSame(spec.selector, labels))
    expect(services).toHaveLength(1)
    expect(services[0]?.spec.ports).toMatchObject([{ port: portNamed('http'), targetPort: 'http' }])
  })

  test('nothing kills it while it stops', () => {
    const values = new Map<string, unknown>(Object.entries(settings))
    const stopMs = stopTimeMs(tier, key => values.get(key))
    expect(template.spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(stopMs)
    // A hook would take from that time; the programs drain by themselves.
    expect(container.lifecycle).toBeUndefined()
  })
})

const isSame = (left: object, right: object) => JSON.stringify(left) === JSON.stringify(right)

const secret = { 'internal.token': 'a secret of some length' }
const gatewayOfUser = { ...loadedGateway.settings, ...secret }

test('the settings pass the checks of a start with a secret of one’s own, and not with the published one', () => {
  expect(checkGateway(gatewayOfUser, false).listener).toBe('http://0.0.0.0:8082')
  const nodeOfUser = { ...loadedNode, settings: { ...loadedNode.settings, ...secret } }
  expect(checkNode(nodeOfUser).bootstrap).toEqual([{ host: 'kafka', port: 9092 }])
  expect(() => checkGateway(loadedGateway.settings, false)).toThrow('internal.token')
  expect(() => checkNode(loadedNode)).toThrow('internal.token')
})

test('variables that Kubernetes makes of services reach no process', () => {
  for (const { template } of [gateway, node]) expect(template.spec.enableServiceLinks).toBe(false)
})

test('a node says its pod’s address and name, and each gateway knows all nodes by name', () => {
  const { serviceName } = node
  expect(loadedNode.settings).toMatchObject({
    id: 'kafka-rest-node-0',
    'internal.url': 'http://10.0.0.7:8083',
  })
  expect(resource('Service', serviceName ?? '').spec.clusterIP).toBe('None')
  const names = Array.from({ length: node.replicas }, (_, index) => `kafka-rest-node-${index}`)
  expect([...checkGateway(gatewayOfUser, false).nodes]).toEqual(
    names.map(name => [name, `http://${name}.${serviceName}:8083`]),
  )
})

test('operators’ tokens come from the secret, and it says what belongs there', () => {
  for (const spec of [gateway, node])
    expect(containerOf(spec).env.find(({ name }) => name === 'KAFKA_REST_ADMIN_TOKENS')).toMatchObject({
      valueFrom: { secretKeyRef: { name: 'kafka-rest', key: 'admin-tokens' } },
    })
  for (const { settings } of [loadedGateway, loadedNode]) expect(settings['admin.tokens']).toEqual([])
})

test('a node has the memory that docs/operations.md tells for large bodies and reads', () => {
  const { settings } = loadedNode
  const [, gigabytes] = /^(\d+)Gi$/.exec(containerOf(node).resources.limits.memory) ?? []
  const instances = 0.1e6 * settings['consumer.instances.max']
  const large = settings['reads.memory.bytes'] + 3 * settings['request.bodies.max.bytes']
  expect(Number(gigabytes) * 2 ** 30).toBeGreaterThan(512e6 + instances + large)
  // Else a body of the largest size is always refused.
  expect(settings['request.bodies.max.bytes']).toBeGreaterThanOrEqual(settings['request.body.max.bytes'])
})

test('a gateway goes on serving until its readiness probe has failed', () => {
  const { periodSeconds, failureThreshold } = containerOf(gateway).readinessProbe
  expect(loadedGateway.settings['drain.delay.ms']).toBeGreaterThan(periodSeconds * failureThreshold * 1000)
})

test('gateways and nodes agree', () => {
  for (const key of ['internal.token', 'redis.url', 'redis.key.prefix', 'lease.ms'] as const)
    expect(loadedGateway.settings[key]).toEqual(loadedNode.settings[key])
})
