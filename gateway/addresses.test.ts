import { describe, expect, test } from 'vitest'
import { addressFits, hostFits, parseRange, plainHost } from './addresses.ts'
import { memberProblem } from './routing/member-check.ts'

describe('plainHost', () => {
  test.each([
    ['http://node-1:8083', 'node-1'],
    ['http://node-1:8083/', 'node-1'],
    ['http://10.0.0.1:80', '10.0.0.1'],
    ['https://[::1]:8083', '::1'],
    ['https://node.example', 'node.example'],
    ['https://node.example:443', 'node.example'],
  ])('%s', (text, host) => {
    expect(plainHost(text)).toBe(host)
  })

  test.each([
    'http://node/path',
    'http://user@node:1',
    'http://user:pass@node:1',
    'http://node:1/?q',
    'http://node:1/#f',
    'ftp://node:1',
    'file:///etc/passwd',
    'node:8083',
    'http://',
    '',
    'http://node:1/..',
  ])('%s is not plain', text => {
    expect(plainHost(text)).toBeUndefined()
  })
})

test('hosts fit names, suffixes and ranges', () => {
  expect(hostFits('node-1.internal', 'node-1.INTERNAL')).toBe(true)
  expect(hostFits('node-1.internal', '*.internal')).toBe(true)
  expect(hostFits('internal', '*.internal')).toBe(false)
  expect(hostFits('evilinternal', '*.internal')).toBe(false)
  expect(hostFits('10.1.2.3', '10.0.0.0/8')).toBe(true)
  expect(hostFits('::ffff:10.1.2.3', '10.0.0.0/8')).toBe(true)
  expect(hostFits('11.1.2.3', '10.0.0.0/8')).toBe(false)
  expect(hostFits('10.1.2.3', 'node-1')).toBe(false)
})

test('addresses fit ranges of their own family', () => {
  expect(addressFits('fd00::1', 'fd00::/8')).toBe(true)
  expect(addressFits('10.0.0.1', 'fd00::/8')).toBe(false)
  expect(addressFits('10.0.0.1', '10.0.0.1')).toBe(true)
  expect(addressFits('not an address', '0.0.0.0/0')).toBe(false)
  expect(parseRange('10.0.0.0/33')).toBeUndefined()
  expect(parseRange('somewhere')).toBeUndefined()
})

test('a member must have plain, allowed urls', () => {
  const good = { url: 'http://10.0.0.1:8083', internalUrl: 'http://10.0.0.1:8083' }
  expect(memberProblem(good, [])).toBeUndefined()
  expect(memberProblem(good, ['10.0.0.0/8'])).toBeUndefined()
  expect(memberProblem(good, ['192.0.2.0/24'])).toBe('not-allowed')
  expect(memberProblem({ ...good, internalUrl: 'http://evil:1' }, ['10.0.0.0/8'])).toBe('not-allowed')
  expect(memberProblem({ ...good, url: 'http://10.0.0.1:8083/x' }, [])).toBe('url')
})
