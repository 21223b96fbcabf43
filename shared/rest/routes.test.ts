import { describe, expect, test } from 'vitest'
import { matchRoute, queryOf, routes } from './routes.ts'

const idOf = (method: string, target: string) => {
  const match = matchRoute(method, target)
  return match.outcome === 'matched' ? [match.route.id, match.params] : match.outcome
}

describe('matchRoute', () => {
  test('every route of the table finds itself', () => {
    for (const entry of routes) {
      const target = entry.path.replaceAll(/\{(\w+)\}/g, 'x-$1')
      expect(matchRoute(entry.method, target)).toMatchObject({ outcome: 'matched', route: { id: entry.id } })
    }
    expect(routes).toHaveLength(23)
  })

  test('segments are matched raw and decoded one by one', () => {
    expect(idOf('GET', '/consumers/g%2Fh/instances/%2e%2e/records?timeout=1')).toEqual([
      'consumers.consume',
      { group: 'g/h', instance: '..' },
    ])
    expect(idOf('GET', '/topics/%zz')).toBe('malformed')
    expect(idOf('GET', '/topics/a?x=/partitions')).toEqual(['topics.get', { topic: 'a' }])
  })

  test('trailing slash, HEAD, OPTIONS, unknown paths and wrong methods - contract v2 §1.6', () => {
    expect(idOf('POST', '/consumers/g/')).toEqual(['consumers.create', { group: 'g' }])
    expect(idOf('HEAD', '/topics')).toEqual(['topics.list', {}])
    expect(matchRoute('OPTIONS', '/topics/t')).toEqual({
      outcome: 'options',
      allow: ['GET', 'HEAD', 'OPTIONS', 'POST'],
    })
    expect(idOf('GET', '/consumers/g')).toBe('method-not-allowed')
    expect(idOf('GET', '/consumers/g/instances/i')).toBe('method-not-allowed')
    expect(idOf('POST', '/topics')).toBe('method-not-allowed')
    expect(idOf('GET', '/consumers')).toBe('not-found')
    expect(idOf('GET', '/consumers/g/instances')).toBe('not-found')
    expect(idOf('GET', '/topics//partitions')).toBe('not-found')
    expect(idOf('GET', '/topics//')).toBe('not-found')
  })

  test('queryOf', () => {
    expect(queryOf('/a?timeout=5&max_bytes=').get('timeout')).toBe('5')
    expect(queryOf('/a').size).toBe(0)
  })
})
