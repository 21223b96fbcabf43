import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { javaMajorVersion } from './java.ts'
import { listenerProperties } from './kafka.ts'
import { brokerCount, kafkaAnswers, metadataRequest } from './kafka-probe.ts'
import { redisAnswers, redisConfig } from './redis.ts'

test('the metadata request is framed by its length', () => {
  const request = metadataRequest()
  expect(request.readInt32BE(0)).toBe(request.length - 4)
  expect(request.toString('hex')).toBe('0000000e0003000100000007ffff00000000')
})

test('brokers are counted only in a whole answer to our request', () => {
  const answer = Buffer.from('0000000800000007' + '00000001', 'hex')
  expect(brokerCount(answer)).toBe(1)
  expect(brokerCount(answer.subarray(0, 11))).toBeUndefined()
  expect(brokerCount(Buffer.from('0000000900000007' + '00000001', 'hex'))).toBeUndefined()
  expect(brokerCount(Buffer.from('0000000800000008' + '00000001', 'hex'))).toBe(0)
})

test('a server that is no Kafka and no Redis is not taken for one', async () => {
  const server = createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    expect(await kafkaAnswers(port)).toBe(false)
    expect(await redisAnswers(port)).toBe(false)
  } finally {
    server.close()
  }
  expect(await kafkaAnswers(port)).toBe(false)
})

test('listeners: all are bound and mapped, only those for clients advertised', () => {
  const extra = [{ name: 'TLS', protocol: 'SASL_SSL' as const, port: 3 }]
  expect(listenerProperties(1, 2, extra)).toEqual({
    listeners: 'PLAINTEXT://127.0.0.1:1,TLS://127.0.0.1:3,CONTROLLER://127.0.0.1:2',
    'advertised.listeners': 'PLAINTEXT://127.0.0.1:1,TLS://127.0.0.1:3',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,TLS:SASL_SSL,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.quorum.voters': '1@127.0.0.1:2',
  })
})

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_292"', 8],
  ['openjdk version "24" 2025-03-18', 24],
  ['Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21.0.2" 2024', 21],
  ['command not found', undefined],
])('java -version: %s', (text, major) => {
  expect(javaMajorVersion(text)).toBe(major)
})

test('redis listens on loopback only, keeps nothing, and has its password in the file', () => {
  const lines = redisConfig(7000, '/tmp/my dir', 'p"w', ['maxmemory 10mb']).split('\n')
  expect(lines).toContain('bind 127.0.0.1')
  expect(lines).toContain('save ""')
  expect(lines).toContain('dir "/tmp/my dir"')
  expect(lines).toContain('requirepass "p\\"w"')
  expect(lines).toContain('maxmemory 10mb')
  expect(redisConfig(7000, '/tmp')).not.toContain('requirepass')
})
