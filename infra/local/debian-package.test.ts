import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { debianCommand, findCommand, forbidServices } from './debian-package.ts'
import { SetupError } from './setup-error.ts'

const newDir = () => mkdtempSync(join(tmpdir(), 'debian-test-'))

test('a command is found on the PATH, and only when it can be run', () => {
  const dir = newDir()
  writeFileSync(join(dir, 'tool-x'), '', { mode: 0o755 })
  writeFileSync(join(dir, 'text-x'), '', { mode: 0o644 })
  expect(findCommand('tool-x', `/no/such:${dir}`)).toBe(join(dir, 'tool-x'))
  expect(findCommand('tool-x', '')).toBeUndefined()
  expect(findCommand('no-such-tool-x', dir)).toBeUndefined()
})

test('a command that is there is used, and nothing is installed', async () => {
  const lines: string[] = []
  const context = { progress: (line: string) => void lines.push(line) }
  expect(await debianCommand('sh', 'no-such-package', context)).toMatch(/\/sh$/)
  expect(lines).toEqual([])
})

test('without the right to install it is one sentence with the remedy, and nothing is installed', async () => {
  const getuid = vi.spyOn(process, 'getuid').mockReturnValue(1000)
  onTestFinished(() => getuid.mockRestore())
  const lines: string[] = []
  const asked = debianCommand('no-such-tool-x', 'no-such-package', {
    progress: line => void lines.push(line),
  })
  const sentence = findCommand('apt-get')
    ? 'no-such-tool-x is not installed, and installing needs root: run `sudo apt-get install no-such-package`.'
    : "no-such-tool-x is not installed: install it with this system's package manager."
  await expect(asked).rejects.toThrow(new SetupError(sentence))
  expect(lines).toEqual([])
})

test('services may not start while a package is installed; a policy that was there stays', () => {
  const policy = join(newDir(), 'policy-rc.d')
  const remove = forbidServices(policy)
  expect(readFileSync(policy, 'utf8')).toContain('exit 101')
  remove()
  expect(existsSync(policy)).toBe(false)
  // Left by a command that was killed.
  forbidServices(policy)
  forbidServices(policy)()
  expect(existsSync(policy)).toBe(false)
  writeFileSync(policy, 'own')
  forbidServices(policy)()
  expect(readFileSync(policy, 'utf8')).toBe('own')
})
