import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../infra/local/command.ts'
import { javaCommand } from '../../infra/local/java.ts'
import { type PartProcess, startPart } from '../../infra/local/part-process.ts'
import { kafkaLibsDir, newTestDir, testPidDir } from './services.ts'

function javaArguments(file: string, args: string[]): string[] {
  // C1 only: these programs live for seconds.
  const flags = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
  return [...flags, '-cp', join(kafkaLibsDir(), '*'), file, ...args]
}

function writeSource(className: string, source: string): { dir: string; file: string } {
  const dir = newTestDir(className)
  const file = join(dir, `${className}.java`)
  writeFileSync(file, source)
  return { dir, file }
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
  const { dir, file } = writeSource(className, source)
  const result = await runCommand(javaCommand(), javaArguments(file, args), {
    cwd: dir,
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
  const { dir, file } = writeSource(className, source)
  return startPart({
    name: className,
    command: javaCommand(),
    args: javaArguments(file, args),
    logFile: join(dir, `${className}.log`),
    cwd: dir,
    pidDir: testPidDir(),
  })
}
