import { describe, expect, test } from 'vitest'
import { type AddressClues, isAuthority, parseForwarded, publicBase } from './public-base.ts'

const none: AddressClues = {
  scheme: 'http',
  host: 'inner:8082',
  peerAddress: '10.0.0.9',
  forwarded: undefined,
  xForwardedFor: undefined,
  xForwardedHost: undefined,
  xForwardedProto: undefined,
  xForwardedPort: undefined,
  xForwardedPrefix: undefined,
}
const trusted = ['10.0.0.0/8', 'fd00::/8']

function base(clues: Partial<AddressClues>, rules: { publicUrl?: string; trusted?: string[] } = {}): string {
  return publicBase({ ...none, ...clues }, { publicUrl: '', trusted, ...rules })
}

describe('publicBase', () => {
  test('a configured address wins over everything', () => {
    const publicUrl = 'https://kafka.example/rest'
    expect(base({ forwarded: 'host=other;proto=http' }, { publicUrl })).toBe(publicUrl)
  })

  test('without forwarded headers it is Host, without a default port', () => {
    expect(base({})).toBe('http://inner:8082')
    expect(base({ host: 'inner:80' })).toBe('http://inner')
    expect(base({ host: 'inner:443' })).toBe('http://inner:443')
    expect(base({ host: 'inner:443', scheme: 'https' })).toBe('https://inner')
    expect(base({ host: '[::1]:80' })).toBe('http://[::1]')
    expect(base({ host: '[::80]' })).toBe('http://[::80]')
    expect(base({ host: undefined })).toBe('http://localhost')
  })

  test('headers of a peer that is not trusted count for nothing', () => {
    const lies = { forwarded: 'host=evil;proto=https', xForwardedHost: 'evil' }
    expect(base({ ...lies, peerAddress: '192.0.2.1' })).toBe('http://inner:8082')
    expect(base(lies, { trusted: [] })).toBe('http://inner:8082')
    expect(base({ ...lies, peerAddress: undefined })).toBe('http://inner:8082')
  })

  test.each([
    ['one hop', 'for=192.0.2.60;proto=https;host=kafka.example', 'https://kafka.example'],
    ['quotes', 'For="[2001:db8::1]:4711";Host="kafka.example:443";Proto="https"', 'https://kafka.example'],
    ['escapes within quotes', 'host="kafka\\.example";proto=https', 'https://kafka.example'],
    [
      'two hops, both trusted',
      'for=192.0.2.60;host=kafka.example;proto=https, for=10.1.1.1;host=inner',
      'https://kafka.example',
    ],
    [
      'what a client forged before an untrusted hop',
      'for=10.9.9.9;host=evil, for=192.0.2.60;host=kafka.example;proto=https, for=10.1.1.1',
      'https://kafka.example',
    ],
    ['IPv6 hops', 'for=x;host=kafka.example, for="[fd00::7]:99";host=inner', 'http://kafka.example'],
    ['a hop that hides itself', 'for=x;host=evil, for=_hidden;host=kafka.example', 'http://kafka.example'],
    ['an unknown hop', 'for=x;host=evil, for=unknown;host=kafka.example', 'http://kafka.example'],
    ['only the scheme', 'proto=https', 'https://inner:8082'],
    ['a comma within quotes', 'for="a,b";host=kafka.example', 'http://kafka.example'],
  ])('Forwarded: %s', (_, forwarded, expected) => {
    expect(base({ forwarded })).toBe(expected)
  })

  test.each([
    ['nonsense', ';;==,,"'],
    ['a host with a path', 'host=kafka.example/path'],
    ['a host with user info', 'host="user@kafka.example"'],
    ['a scheme that is none', 'proto=gopher'],
    ['an open quote', 'host="kafka.example'],
    ['nothing', ''],
  ])('a Forwarded header that is %s is passed over', (_, forwarded) => {
    expect(base({ forwarded })).toBe('http://inner:8082')
  })

  test.each([
    ['single values', { xForwardedHost: 'kafka.example', xForwardedProto: 'https' }, 'https://kafka.example'],
    [
      'a list of schemes',
      {
        xForwardedFor: '192.0.2.1, 10.1.1.1',
        xForwardedProto: 'https, http',
        xForwardedHost: 'kafka.example',
      },
      'https://kafka.example',
    ],
    [
      'a port of its own',
      { xForwardedHost: 'kafka.example', xForwardedPort: '8443', xForwardedProto: 'https' },
      'https://kafka.example:8443',
    ],
    [
      'the default port of the scheme',
      { xForwardedHost: 'kafka.example:8082', xForwardedPort: '443', xForwardedProto: 'https' },
      'https://kafka.example',
    ],
    [
      'a prefix',
      { xForwardedHost: 'kafka.example', xForwardedPrefix: '/rest/' },
      'http://kafka.example/rest',
    ],
    [
      'what came before the first untrusted hop',
      {
        xForwardedFor: '10.2.2.2, 192.0.2.1, 10.1.1.1',
        xForwardedHost: 'evil, kafka.example, inner',
      },
      'http://kafka.example',
    ],
    ['quotes', { xForwardedHost: '"kafka.example"' }, 'http://kafka.example'],
  ])('X-Forwarded-*: %s', (_, clues, expected) => {
    expect(base(clues)).toBe(expected)
  })

  test.each([
    ['a host', { xForwardedHost: 'a b' }],
    ['a scheme', { xForwardedProto: 'ftp' }],
    ['a port', { xForwardedPort: '99999' }],
    ['a prefix', { xForwardedPrefix: '//evil/\r\n' }],
    ['a prefix with a query', { xForwardedPrefix: '/a?b' }],
  ])('%s that makes no sense is passed over', (_, clues) => {
    expect(base(clues)).toBe('http://inner:8082')
  })

  test('Forwarded wins over X-Forwarded-*', () => {
    expect(base({ forwarded: 'host=right', xForwardedHost: 'wrong' })).toBe('http://right')
  })
})

test('parseForwarded reads names in any case and passes over what is no pair', () => {
  expect(parseForwarded('FOR=a ; =b; c ;by = "x;y"').map(element => [...element])).toEqual([
    [
      ['for', 'a'],
      ['by', 'x;y'],
    ],
  ])
})

test('isAuthority is host or host:port', () => {
  for (const good of ['a', 'a.b-c_d:1', '127.0.0.1:65535', '[::1]', '[fe80::1]:80'])
    expect(isAuthority(good)).toBe(true)
  for (const bad of ['', 'a:', 'a:b', 'a:65536', 'a/b', 'a b', '::1', '[::1', 'a@b'])
    expect(isAuthority(bad)).toBe(false)
})
