import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { directBase, instanceUri } from './base-uri.ts'

const socket = Object.defineProperties(new Socket(), {
  localAddress: { value: '::1' },
  localPort: { value: 8083 },
})
const from = (host: string | undefined) => ({ headers: host === undefined ? {} : { host }, socket })

describe('base_uri - contract v2 §2.9, §9 row 44', () => {
  test('an advertised listener wins, verbatim', () => {
    const settings = { advertisedListeners: ['https://a:1', 'http://b:2'], hostName: 'c' }
    expect(directBase(from('d:4'), settings)).toBe('http://b:2')
  })

  test('the scheme is that of the request, for an advertised listener, host.name and Host alike', () => {
    const secure = { headers: { host: 'd:4' }, socket: new TLSSocket(new Socket()) }
    const none = { advertisedListeners: ['http://b:2'], hostName: '' }
    expect(directBase(secure, { ...none, advertisedListeners: ['http://b:2', 'https://a:1'] })).toBe(
      'https://a:1',
    )
    expect(directBase({ ...secure, headers: { host: 'd' } }, { ...none, hostName: 'c' })).toBe('https://c')
    expect(directBase(secure, none)).toBe('https://d:4')
  })

  test('host.name, with a port only if the request named one', () => {
    const settings = { advertisedListeners: [], hostName: 'proxy.example' }
    expect(directBase(from('d'), settings)).toBe('http://proxy.example')
    expect(directBase(from('d:80'), settings)).toBe('http://proxy.example:8083')
    expect(directBase(from('[::1]:80'), settings)).toBe('http://proxy.example:8083')
    expect(directBase(from('[::1]'), settings)).toBe('http://proxy.example')
  })

  test('else the Host of the request, else the address it came in on', () => {
    const settings = { advertisedListeners: [], hostName: '' }
    expect(directBase(from('d:4'), settings)).toBe('http://d:4')
    expect(directBase(from(undefined), settings)).toBe('http://[::1]:8083')
  })

  test('segments are percent-encoded', () => {
    expect(instanceUri('http://h', { group: 'g h', instance: 'a/b%' })).toBe(
      'http://h/consumers/g%20h/instances/a%2Fb%25',
    )
  })
})
