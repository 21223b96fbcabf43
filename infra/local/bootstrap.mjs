// What `npm start` and `npm test` run first, when nothing is installed yet. It needs no package and only
// syntax of old Node versions, so that a Node that is too old can say so. It installs the npm dependencies
// (Node 24 is one of them) and then runs the given TypeScript program with that Node:
//   node infra/local/bootstrap.mjs PROGRAM.ts [ARGUMENT...]
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MIN = 20
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP']
const LOCK_POLL_MS = 200
const LOCK_WITHOUT_OWNER_MS = 10000
const LOCK_SILENT_MS = 3000

const rootDir = fileURLToPath(new URL('../..', import.meta.url))
const modulesDir = join(rootDir, 'node_modules')
const node24 = join(modulesDir, '.bin', 'node')
const hashFile = join(modulesDir, '.installed-lock-hash')
const lockDir = join(rootDir, '.cache', 'locks', 'npm')

/** An error whose sentence is all that is printed. */
function failure(sentence, exitCode) {
  return Object.assign(new Error(sentence), { exitCode: exitCode || 1 })
}

function end(error) {
  process.stderr.write(`${error.exitCode ? error.message : error.stack}\n`)
  process.exit(error.exitCode || 1)
}

function lockFileHash() {
  return createHash('sha256')
    .update(readFileSync(join(rootDir, 'package-lock.json')))
    .digest('hex')
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (_) {
    return ''
  }
}

/** True when an install by hand (npm install, npm ci) has put in exactly what package-lock.json asks for. */
function installedByHand() {
  const installedText = readText(join(modulesDir, '.package-lock.json'))
  if (installedText === '') return false
  const wanted = JSON.parse(readText(join(rootDir, 'package-lock.json'))).packages
  const installed = JSON.parse(installedText).packages
  return Object.keys(wanted).every(function isInstalled(path) {
    if (path === '' || wanted[path].optional) return true
    return installed[path] !== undefined && installed[path].version === wanted[path].version
  })
}

function isInstalled() {
  if (!existsSync(node24)) return false
  return readText(hashFile) === lockFileHash() || installedByHand()
}

function sleep(ms) {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** With its start time a pid names one process for good; undefined where /proc does not tell. As in pid-files.ts. */
function startTimeOf(pid) {
  const stat = readText(`/proc/${pid}/stat`)
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

function lockIsStale() {
  const [pid, startTime] = readText(join(lockDir, 'pid')).split(' ')
  const owner = Number(pid)
  if (owner > 0) {
    if (startTime && startTime !== startTimeOf(owner)) return true
    try {
      process.kill(owner, 0)
      return false
    } catch (error) {
      return error.code !== 'EPERM'
    }
  }
  try {
    return Date.now() - statSync(lockDir).mtimeMs > LOCK_WITHOUT_OWNER_MS
  } catch (_) {
    return false
  }
}

/** `npm start` and `npm test` may be run at once in a fresh clone: one installs, the other waits. */
async function lock() {
  mkdirSync(join(lockDir, '..'), { recursive: true })
  const begun = Date.now()
  let told = false
  for (;;) {
    try {
      mkdirSync(lockDir)
      writeFileSync(join(lockDir, 'pid'), `${process.pid} ${startTimeOf(process.pid) || ''}`)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (lockIsStale()) rmSync(lockDir, { recursive: true, force: true })
    else {
      if (!told && Date.now() - begun > LOCK_SILENT_MS) {
        told = true
        const [pid] = readText(join(lockDir, 'pid')).split(' ')
        process.stdout.write(
          `Waiting for process ${pid}, which installs the npm dependencies; if it does not, remove ${lockDir}.\n`,
        )
      }
      await sleep(LOCK_POLL_MS)
    }
  }
}

/**
 * Runs a command with our terminal, passes signals on to it, and resolves with its exit code.
 * At a terminal Ctrl-C reaches the command directly as well: it takes a second signal as the first.
 */
function runCommand(command, args, env, notFound) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: rootDir, stdio: 'inherit', env })
    const forward = signal => child.kill(signal)
    for (const signal of FORWARDED) process.on(signal, forward)
    child.on('error', () => reject(failure(notFound)))
    child.on('exit', (code, signal) => {
      for (const name of FORWARDED) process.removeListener(name, forward)
      resolve(signal === null ? code : 128 + constants.signals[signal])
    })
  })
}

async function install() {
  process.stdout.write('Installing the npm dependencies (first time, or they changed) …\n')
  // Node 24, the tests' tools and the compiler are development packages: NODE_ENV=production leaves those out.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const notFound = 'npm was not found: install Node.js 20 or newer with npm.'
  const code = await runCommand('npm', args, process.env, notFound)
  if (code > 128) throw failure('The installation was interrupted.', code)
  if (code !== 0) throw failure('The npm dependencies could not be installed: see the lines above.')
  if (!existsSync(node24)) {
    throw failure('npm installed no Node 24: allow the install script of its package "node" and try again.')
  }
  writeFileSync(hashFile, lockFileHash())
}

async function installIfNeeded() {
  if (isInstalled()) return
  await lock()
  try {
    if (!isInstalled()) await install()
  } finally {
    rmSync(lockDir, { recursive: true, force: true })
  }
}

async function main(args) {
  await installIfNeeded()
  const env = Object.assign({ NODE_COMPILE_CACHE: join(rootDir, '.cache', 'compile') }, process.env)
  process.exit(await runCommand(node24, args, env, 'Node 24 could not be started: run npm ci.'))
}

if (Number(process.versions.node.split('.')[0]) < NODE_MIN) {
  end(
    failure(
      `Node.js ${NODE_MIN} or newer is needed, and this is ${process.versions.node}: install a newer one.`,
    ),
  )
}
main(process.argv.slice(2)).catch(end)
