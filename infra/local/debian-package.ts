import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CACHE_DIR, type SetupContext, withLock } from './cache.ts'
import { type CommandResult, runCommand } from './command.ts'
import { SetupError } from './setup-error.ts'

/** Debian's hook that decides whether a package's service may be started or stopped (101: it may not). */
const SERVICE_POLICY_FILE = '/usr/sbin/policy-rc.d'
const POLICY =
  '#!/bin/sh\n# Made by npm start of the Kafka REST gateway, which removes it when its package is installed.\nexit 101\n'
const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin']

/** The full path of `command` on the PATH or in a system folder, or undefined. */
export function findCommand(command: string, path = process.env['PATH'] ?? ''): string | undefined {
  for (const dir of [...path.split(delimiter), ...SYSTEM_DIRS]) {
    if (dir === '') continue
    const file = join(dir, command)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // not in this folder
    }
  }
  return undefined
}

/**
 * Returns the path of `command`, and installs Debian's `packageName` when it is missing and we are root.
 * Throws SetupError with the remedy when it cannot be had.
 */
export async function debianCommand(
  command: string,
  packageName: string,
  { progress, signal }: SetupContext,
): Promise<string> {
  const found = findCommand(command)
  if (found) return found
  const missing = `${command} is not installed`
  if (!findCommand('apt-get')) {
    throw new SetupError(`${missing}: install it with this system's package manager.`)
  }
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      `${missing}, and installing needs root: run \`sudo apt-get install ${packageName}\`.`,
    )
  }
  const installOnce = async () => {
    if (!findCommand(command)) await aptInstall(packageName, { progress, signal })
    const installed = findCommand(command)
    if (!installed) throw new SetupError(`${missing}: the package ${packageName} did not bring it.`)
    return installed
  }
  return withLock(join(CACHE_DIR, 'locks', 'apt'), installOnce, signal)
}

/** Installs a package. It is not ended early: an interrupted dpkg has to be repaired by hand. */
async function aptInstall(packageName: string, { progress, signal }: SetupContext): Promise<void> {
  progress(`${packageName}: installing it with apt-get (first time only)`)
  const tell = () => progress('apt-get must not be interrupted; everything stops when it is done')
  signal?.addEventListener('abort', tell)
  const removePolicy = forbidServices()
  try {
    const update = await aptGet(['update'])
    const install = await aptGet(['install', '-y', '--no-install-recommends', packageName])
    if (install?.code === 0) return
    // A failed update alone is no reason to give up: the package lists may be there already.
    const output = [update, install].map(result => `${result?.stdout}${result?.stderr}`).join('')
    const errors = output.split('\n').filter(line => line.startsWith('E:'))
    throw new SetupError(`apt-get could not install ${packageName}: ${errors.join(' ') || 'see apt-get'}`)
  } finally {
    signal?.removeEventListener('abort', tell)
    removePolicy()
  }
}

function aptGet(args: string[]): Promise<CommandResult | undefined> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  return runCommand('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env })
}

/**
 * Debian starts a service when its package is installed. It is not ours to leave running, so no service
 * may start while we install. A policy that is there already (container images have one) is kept; one of ours that a
 * killed command left is taken over.
 */
export function forbidServices(policyFile = SERVICE_POLICY_FILE): () => void {
  const isForeign = existsSync(policyFile) && readFileSync(policyFile, 'utf8') !== POLICY
  if (isForeign) return () => undefined
  writeFileSync(policyFile, POLICY, { mode: 0o755 })
  return () => rmSync(policyFile, { force: true })
}
