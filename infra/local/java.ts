import { type CommandOptions, type CommandResult, runCommand } from './command.ts'
import { SetupError } from './setup-error.ts'

const JAVA_MIN = 17
const REMEDY = 'install it (Debian and Ubuntu: apt-get install openjdk-17-jre-headless)'

/** The `java` of JAVA_HOME, else the one on the PATH. */
export function javaCommand(): string {
  return process.env['JAVA_HOME'] ? `${process.env['JAVA_HOME']}/bin/java` : 'java'
}

/** The major version in what `java -version` prints: `17.0.15` is 17, `1.8.0_292` is 8. */
export function javaMajorVersion(versionText: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(versionText)
  return match ? Number(match[1]) : undefined
}

/** Throws SetupError unless Java 17 or newer is there; `insteadOf` names the way to do without. */
export async function requireJava(what: string, insteadOf: string): Promise<void> {
  const result = await runCommand(javaCommand(), ['-version'])
  const needs = `${what} needs Java ${JAVA_MIN} or newer`
  const home = process.env['JAVA_HOME']
  if (!result && home)
    throw new SetupError(`${needs}, and JAVA_HOME=${home} has none: correct or unset it, or ${insteadOf}.`)
  if (!result) throw new SetupError(`${needs}, and no java was found: ${REMEDY}, or ${insteadOf}.`)
  const major = javaMajorVersion(result.stderr + result.stdout)
  if (major === undefined || major < JAVA_MIN) {
    throw new SetupError(`${needs}, and java is version ${major ?? 'unknown'}: ${REMEDY}, or ${insteadOf}.`)
  }
}

/** Runs Maven quietly. Throws SetupError when it is missing or fails, with the end of what it printed. */
export async function runMaven(
  what: string,
  args: string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const result = await runCommand('mvn', ['-B', '-q', '-ntp', '-Dstyle.color=never', ...args], options)
  if (!result) {
    throw new SetupError(
      `${what} is downloaded with Maven, and no mvn was found: install it (Debian and Ubuntu: apt-get install maven).`,
    )
  }
  if (result.code !== 0) {
    const reason = (result.stdout + result.stderr).trim().split('\n').slice(0, 8).join('\n')
    throw new SetupError(
      `${what} could not be downloaded with Maven (is its repository reachable?); mvn said:\n${reason}`,
    )
  }
  return result
}
