import { createHash } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedDirectory } from '../../infra/local/cache.ts'
import { runCommand } from '../../infra/local/command.ts'
import { javaCommand } from '../../infra/local/java.ts'
import { type PartProcess, startPart } from '../../infra/local/part-process.ts'
import { kafkaLibsDir, newTestDir, testPidDir } from './services.ts'

// C1 only: these programs live for seconds.
const flags = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

/**
 * Compiles a single-file program, once for each text of it: compiling takes longer than most of these programs run.
 * The compiler is started by its module, which a Java without `javac` has too.
 */
function compiled(className: string, source: string): Promise<string> {
  // Each jar by name: only the launchers know `*`.
  const jars = readdirSync(kafkaLibsDir()).map(name => join(kafkaLibsDir(), name))
  const libs = jars.join(':')
  const hash = createHash('sha256').update(`${libs}\n${source}`).digest('hex').slice(0, 12)
  return cachedDirectory(`java-${className}-${hash}`, async tempDir => {
    const file = join(tempDir, `${className}.java`)
    writeFileSync(file, source)
    const compiler = ['-m', 'jdk.compiler/com.sun.tools.javac.Main', '-cp', libs, '-d', tempDir, file]
    const result = await runCommand(javaCommand(), [...flags, ...compiler], { cwd: tempDir })
    if (result?.code !== 0)
      throw new Error(`${className} does not compile:\n${result?.stdout}${result?.stderr}`)
  })
}

async function javaArguments(className: string, source: string, args: string[]): Promise<string[]> {
  const classPath = [await compiled(className, source), join(kafkaLibsDir(), '*')].join(':')
  return [...flags, '-cp', classPath, className, ...args]
}

/**
 * Runs a single-file Java program with Kafka's own client on its class path and returns its standard
 * output. Throws with its standard error when it does not end with exit code 0.
 */
export async function runJava(
  className: string,
  source: string,
  { args = [], input = '' }: { args?: string[]; input?: string } = {},
): Promise<string> {
  const result = await runCommand(javaCommand(), await javaArguments(className, source, args), {
    cwd: newTestDir(className),
    input,
    pidDir: testPidDir(),
  })
  if (result?.code !== 0) throw new Error(`${className} failed (${result?.code}):\n${result?.stderr}`)
  return result.stdout
}

/** A Java program that goes on running, such as a member of a consumer group. Stop it in `afterAll`. */
export async function startJava(
  className: string,
  source: string,
  args: string[] = [],
): Promise<PartProcess> {
  const dir = newTestDir(className)
  return startPart({
    name: className,
    command: javaCommand(),
    args: await javaArguments(className, source, args),
    logFile: join(dir, `${className}.log`),
    cwd: dir,
    pidDir: testPidDir(),
  })
}
