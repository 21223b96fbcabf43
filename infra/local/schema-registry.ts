import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cachedDirectory, type SetupContext } from './cache.ts'
import { runCommand } from './command.ts'
import { freePort } from './free-port.ts'
import { javaCommand, requireJava, runMaven } from './java.ts'
import { type PartExit, type PartProcess, startPart, untilReady } from './part-process.ts'
import { SetupError } from './setup-error.ts'

/** Apicurio Registry, a Schema Registry with Confluent's API; 3.1 and newer need Java 21. */
export const APICURIO_VERSION = '3.0.9'

export interface SchemaRegistryOptions extends SetupContext {
  /** Folder for the log. */
  dir: string
  /** This port, or a free one when it is taken. */
  preferredPort?: number | undefined
  name?: string
  pidDir?: string | undefined
}

// Newer versions of the plugin read the artifact's parent POM, which is not published.
const GET = 'org.apache.maven.plugins:maven-dependency-plugin:2.8:get'
const READY_TIMEOUT_MS = 90_000
const PROBE_TIMEOUT_MS = 2_000

/** Returns the runnable jar, downloaded with Maven (109 MB) the first time. */
export async function installSchemaRegistry({ progress, signal }: SetupContext): Promise<string> {
  const program = `Apicurio Registry ${APICURIO_VERSION}`
  const archiveName = `apicurio-registry-app-${APICURIO_VERSION}-all.tar.gz`
  const fill = async (tempDir: string) => {
    progress(`${program}: downloading it with Maven (109 MB, first time only)`)
    // A Maven repository of its own tells where the archive is, whatever this machine's settings say,
    // and keeps out of the way of a Maven that downloads Kafka at the same time.
    const repository = join(tempDir, 'maven')
    const artifact = `-Dartifact=io.apicurio:apicurio-registry-app:${APICURIO_VERSION}:tar.gz:all`
    await runMaven(program, [`-Dmaven.repo.local=${repository}`, GET, artifact, '-Dtransitive=false'], {
      cwd: tempDir,
      signal,
    })
    const archive = join(repository, 'io/apicurio/apicurio-registry-app', APICURIO_VERSION, archiveName)
    const unpacked = await runCommand('tar', ['-xzf', archive, '-C', tempDir], { signal })
    if (unpacked?.code !== 0) throw new SetupError(`tar could not unpack ${archive}: ${unpacked?.stderr}`)
    rmSync(repository, { recursive: true })
  }
  const directory = await cachedDirectory(`apicurio-registry-${APICURIO_VERSION}`, fill, { signal })
  return join(directory, `apicurio-registry-app-${APICURIO_VERSION}-runner.jar`)
}

/** A Schema Registry with its data in memory that we own; restarted, it is empty. */
export class LocalSchemaRegistry {
  readonly port: number
  readonly address: string
  /** The base URL of Confluent's API, for `schema.registry.url`. */
  readonly url: string
  readonly #options: SchemaRegistryOptions
  readonly #jar: string
  #process: PartProcess

  private constructor(options: SchemaRegistryOptions, jar: string, port: number, part: PartProcess) {
    this.#options = options
    this.#jar = jar
    this.#process = part
    this.port = port
    this.address = `127.0.0.1:${port}`
    this.url = `http://${this.address}/apis/ccompat/v7`
  }

  /** Installs the registry when needed, starts it and waits until its API answers. */
  static async start(options: SchemaRegistryOptions): Promise<LocalSchemaRegistry> {
    await requireJava('The Schema Registry', 'pass --schema-registry-url URL of one that runs')
    const jar = await installSchemaRegistry(options)
    const port = await freePort(options.preferredPort)
    mkdirSync(options.dir, { recursive: true })
    return new LocalSchemaRegistry(options, jar, port, await launch(options, jar, port))
  }

  get process(): PartProcess {
    return this.#process
  }

  /** Starts it again, empty, on the same port after `stop` or `kill`; waits until it is ready. */
  async restart(): Promise<void> {
    if (this.#process.running) await this.stop()
    this.#process = await launch(this.#options, this.#jar, this.port)
  }

  stop(): Promise<PartExit> {
    return this.#process.stop()
  }

  /** kill -9. */
  kill(): Promise<PartExit> {
    return this.#process.kill()
  }
}

async function launch(options: SchemaRegistryOptions, jar: string, port: number): Promise<PartProcess> {
  const part = await startPart({
    name: options.name ?? 'Schema Registry',
    command: javaCommand(),
    args: [
      '-Xmx256m',
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${port}`,
      '-jar',
      jar,
    ],
    logFile: join(options.dir, 'schema-registry.log'),
    cwd: options.dir,
    pidDir: options.pidDir,
  })
  const probe = async () => {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
    const answer = await fetch(`http://127.0.0.1:${port}/apis/ccompat/v7/subjects`, { signal })
    await answer.body?.cancel()
    return answer.ok
  }
  try {
    await untilReady(part, probe, { timeoutMs: READY_TIMEOUT_MS, intervalMs: 200, signal: options.signal })
  } catch (error) {
    await part.kill()
    throw error
  }
  return part
}
