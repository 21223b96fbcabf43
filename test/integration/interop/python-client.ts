import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cachedDirectory } from '../../../infra/local/cache.ts'

/** One call of Confluent's serializers; see interop.py. */
export interface InteropJob {
  readonly do: 'write' | 'read'
  readonly format: string
  readonly topic: string
  readonly side: 'key' | 'value'
  readonly schema: string
  readonly references?: readonly { readonly name: string; readonly schema: string }[]
  /** Full name of the Protobuf message. */
  readonly message?: string
  readonly value?: unknown
  /** Base64; null for a Kafka null. */
  readonly bytes?: string | null
}

export interface InteropResult {
  readonly value?: unknown
  readonly bytes?: string | null
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const run = promisify(execFile)

/** The interpreter of a virtual environment with the pinned packages, made once. */
async function python(): Promise<string> {
  const requirements = file('requirements.txt')
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const directory = await cachedDirectory(`confluent-python-${hash}`, async tempDir => {
    const venv = join(tempDir, 'venv')
    await run('python3', ['-m', 'venv', venv])
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]
    await run(join(venv, 'bin/python'), install)
  })
  return join(directory, 'venv/bin/python')
}

/** Runs the jobs, in their order, with Confluent's Python client. */
export async function confluentPython(
  registryUrl: string,
  jobs: readonly InteropJob[],
): Promise<InteropResult[]> {
  const command = await python()
  const child = run(command, ['-W', 'ignore', file('interop.py')], {
    env: { ...process.env, SCHEMA_REGISTRY_URL: registryUrl },
    maxBuffer: 1 << 26,
  })
  child.child.stdin?.end(JSON.stringify(jobs))
  const { stdout } = await child
  return JSON.parse(stdout) as InteropResult[]
}
