import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isAlive, ROOT_DIR } from '../../infra/local/cache.ts'
import { runCommand } from '../../infra/local/command.ts'
import { freePort } from '../../infra/local/free-port.ts'
import { http } from '../support/http-client.ts'
import { kafkaAddress, schemaRegistryUrl } from '../support/services.ts'
import { until } from '../support/until.ts'

const START_TIMEOUT_MS = 150_000

interface Started {
  npm: ChildProcess
  output(): string
  /** Resolves with the exit code of npm. */
  ended: Promise<number | null>
}

/** `npm start -- …` as a person runs it, through npm and its shell. */
function npmStart(args: string[]): Started {
  const npm = spawn('npm', ['start', '--', ...args], { cwd: ROOT_DIR, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(npm, 'close').then(([code]) => code as number | null)
  onTestFinished(async () => {
    npm.kill('SIGTERM')
    await ended
  })
  return { npm, output: () => output, ended }
}

async function untilReady(started: Started): Promise<void> {
  const ready = () => {
    if (started.npm.exitCode !== null) return true
    return started.output().includes('Ready: ')
  }
  await until('npm start to be ready', ready, { timeoutMs: START_TIMEOUT_MS })
  expect(started.output()).toContain('Ready: ')
  await until('the session to be printed', () => started.output().includes('curl -X DELETE'))
}

/** The parts that were printed: name, address, pid and log file of each. */
function partsOf(output: string) {
  return [...output.matchAll(/^(\S.*?) +(127\.0\.0\.1:\d+) +pid (\d+) +(\/\S+)$/gm)].map(match => ({
    name: match[1] ?? '',
    address: match[2] ?? '',
    pid: Number(match[3]),
    logFile: match[4] ?? '',
  }))
}

/** The printed curl session, run by a shell word for word. */
async function runSession(output: string): Promise<string[]> {
  const session = output.slice(output.indexOf('# produce')).replaceAll('curl ', 'curl -sS -w "\\n" ')
  const result = await runCommand('sh', ['-e', '-c', session])
  expect(result).toMatchObject({ code: 0, stderr: '' })
  return result?.stdout.trim().split(/\n+/) ?? []
}

function expectSession(answers: string[], base: string) {
  const [produced, created, records] = answers.map(answer => JSON.parse(answer))
  expect(answers).toHaveLength(3)
  expect(produced.offsets).toHaveLength(2)
  const uri = `${base}/consumers/my-group/instances/my-instance`
  expect(created).toEqual({ instance_id: 'my-instance', base_uri: uri })
  const counts = (records as { value: { count: number } }[]).map(record => record.value.count)
  expect(counts).toEqual(expect.arrayContaining([1, 2]))
}

test('everything is started, said, ready, and stopped by SIGTERM to npm', async () => {
  const port = await freePort()
  const started = npmStart(['--port', String(port)])
  await untilReady(started)
  const parts = partsOf(started.output())
  const names = ['Kafka', 'Redis', 'Schema Registry', 'gateway', 'node-1', 'node-2']
  expect(parts.map(part => part.name).sort()).toEqual(names)
  expect(parts.find(part => part.name === 'gateway')?.address).toBe(`127.0.0.1:${port}`)
  expect(new Set(parts.map(part => part.pid)).size).toBe(6)
  for (const part of parts) await until(`a log of ${part.name}`, () => statSync(part.logFile).size > 0)
  const settings = join(
    dirname(parts.find(part => part.name === 'node-1')?.logFile ?? ''),
    'node-1.properties',
  )
  expect(statSync(settings).mode & 0o777).toBe(0o600)

  const [, command = '', tokenFile = ''] =
    /^Operators: (infra\/cli\/kafka-rest-gateway\.mjs nodes .*--token-file (\S+))$/m.exec(started.output()) ??
    []
  expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
  const nodes = await runCommand('sh', ['-c', command], { cwd: ROOT_DIR })
  expect(nodes).toMatchObject({ code: 0, stdout: expect.stringMatching(/^node-2 +active +available/m) })

  const base = `http://127.0.0.1:${port}`
  expectSession(await runSession(started.output()), base)

  started.npm.kill('SIGTERM')
  expect(await started.ended).toBe(0)
  expect(parts.filter(part => isAlive(part.pid))).toEqual([])
}, 300_000)

test('without Redis everything runs in one process', async () => {
  const port = await freePort()
  const given = ['--bootstrap-servers', kafkaAddress(), '--schema-registry-url', schemaRegistryUrl()]
  const started = npmStart(['--port', String(port), '--redis', 'none', '--nodes', '3', ...given])
  await untilReady(started)
  const parts = partsOf(started.output())
  expect(parts).toHaveLength(1)
  expect(parts[0]).toMatchObject({ name: 'gateway, node-1 … node-3', address: `127.0.0.1:${port}` })
  expectSession(await runSession(started.output()), `http://127.0.0.1:${port}`)
  started.npm.kill('SIGINT')
  expect(await started.ended).toBe(0)
  expect(isAlive(parts[0]?.pid ?? 0)).toBe(false)
}, 300_000)

test('a part that dies is said, and everything stops with an error', async () => {
  const port = await freePort()
  const given = ['--bootstrap-servers', kafkaAddress(), '--schema-registry-url', schemaRegistryUrl()]
  const started = npmStart(['--port', String(port), '--nodes', '1', ...given])
  await untilReady(started)
  const parts = partsOf(started.output())
  expect(parts.map(part => part.name)).toEqual(['Redis', 'node-1', 'gateway'])
  expect((await http({ base: `http://127.0.0.1:${port}`, path: '/topics' })).status).toBe(200)
  process.kill(parts.find(part => part.name === 'node-1')?.pid ?? 0, 'SIGKILL')
  expect(await started.ended).toBe(1)
  expect(started.output()).toMatch(/^node-1 ended unexpectedly \(SIGKILL\), so everything stops/m)
  expect(parts.filter(part => isAlive(part.pid))).toEqual([])
}, 300_000)

test('a taken port is one sentence with the remedy, and nothing is started', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const started = npmStart(['--port', String(port)])
  expect(await started.ended).toBe(1)
  expect(started.output()).toContain(`Port ${port} on 127.0.0.1 is taken`)
  expect(started.output()).toContain('npm start -- --port')
  expect(partsOf(started.output())).toEqual([])
})

test.each([
  [['--bootstrap-servers', '127.0.0.1:1'], 'No Kafka answers at 127.0.0.1:1'],
  [['--redis', 'redis://127.0.0.1:1'], 'No Redis answers at 127.0.0.1:1'],
  [['--nodes', 'many'], '--nodes takes a whole number'],
])('%j is one sentence', async (args, sentence) => {
  const started = npmStart(['--port', String(await freePort()), ...args])
  expect(await started.ended).toBe(1)
  expect(started.output()).toContain(sentence)
  expect(started.output()).not.toContain('    at ')
  expect(partsOf(started.output())).toEqual([])
})
