import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { silentLogger } from '../../shared/observability/logger.ts'
import { bucketCount, bucketOf } from '../../shared/routing/buckets.ts'
import { MemoryRoutingTable } from '../../shared/routing/memory-routing-table.ts'
import { openRedisRoutingTable } from '../../shared/routing/redis-routing-table.ts'
import type {
  ClaimRequest,
  ClaimResult,
  Holding,
  Placement,
  RoutingTable,
} from '../../shared/routing/routing-table.ts'
import { nobody, specLengthMax } from '../../shared/routing/routing-table.ts'
import {
  type ShapedRedis,
  sharedRedis,
  startClusterRedis,
  startSentinelRedis,
  startTlsRedis,
} from '../support/redis-shapes.ts'
import { claimOf, key, member } from '../support/routing-table-samples.ts'
import { uniqueName } from '../support/services.ts'
import { until } from '../support/until.ts'

/** One adapter under test. */
interface Adapter {
  /** A client of the table; all that are opened between two `reset` see the same one. */
  open(): Promise<RoutingTable>
  /** Empties the table, as a store that lost its contents. */
  lose(): Promise<void>
  /** A new, empty table for the next test. */
  reset(): Promise<void>
}

const longLeaseMs = 60_000
const markMs = 60_000
const inAnHour = () => Date.now() + 3_600_000

function claimed(result: ClaimResult): Extract<ClaimResult, { outcome: 'claimed' }> {
  if (result.outcome !== 'claimed') throw new Error(`not claimed: ${JSON.stringify(result)}`)
  return result
}

function contract(name: string, adapter: Adapter): void {
  describe(`the routing table in ${name}`, () => {
    let table: RoutingTable
    beforeEach(async () => {
      await adapter.reset()
      table = await adapter.open()
    })
    afterEach(() => table.stop())

    /** Claims a key and gives what a later call needs to name the placement. */
    const take = async (node: string, of: string, change: Partial<ClaimRequest> = {}): Promise<Holding> => {
      const { token } = claimed(await table.claim(claimOf(node, of, change)))
      return { node, incarnation: change.incarnation ?? `${node}-1`, token }
    }
    const placement = async (of: string): Promise<Placement | undefined> => (await table.find(of)).placement
    const gone = async (id: string) =>
      until(`${id} to be gone`, async () => (await table.members()).members.every(m => m.id !== id))

    describe('members', () => {
      test('a renewed member is listed as it was written, until it leaves', async () => {
        const written = member('n1', { zone: 'zone b', instances: 7, state: 'draining', signature: 'f00' })
        expect(await table.renew(written, longLeaseMs)).toMatchObject({ outcome: 'renewed', lapsed: true })
        await table.renew(member('n2'), longLeaseMs)
        const { members } = await table.members()
        expect(members.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([written, member('n2')])
        await table.leave('n1', 'n1-1')
        expect((await table.members()).members).toEqual([member('n2')])
      })

      test('names with odd characters are kept', async () => {
        const urls = { url: 'http://10.0.0.1:1', internalUrl: 'https://[::1]:2' }
        const odd = member('node one/ü %20\n', { incarnation: 'run 1%', zone: 'Zürich', ...urls })
        await table.renew(odd, longLeaseMs)
        expect((await table.members()).members).toEqual([odd])
        const { token } = claimed(
          await table.claim(claimOf(odd.id, key('i'), { incarnation: odd.incarnation })),
        )
        expect(await table.find(key('i'))).toMatchObject({
          placement: { node: odd.id, incarnation: odd.incarnation, token },
          ownerAlive: true,
        })
        await table.leave(odd.id, odd.incarnation)
        expect((await table.members()).members).toEqual([])
      })

      test('a lease that runs out ends the membership', async () => {
        await table.renew(member('n1'), 50)
        await table.renew(member('n2'), longLeaseMs)
        await gone('n1')
        expect((await table.members()).members).toEqual([member('n2')])
      })

      test('a renewal says whether the lease had run out just before', async () => {
        await table.renew(member('n1'), longLeaseMs)
        expect(await table.renew(member('n1'), 50)).toMatchObject({ lapsed: false })
        await gone('n1')
        expect(await table.renew(member('n1'), longLeaseMs)).toMatchObject({ lapsed: true })
        expect(await table.renew(member('n1'), longLeaseMs)).toMatchObject({ lapsed: false })
      })

      test('an id is taken while another incarnation has its lease, and free after it', async () => {
        await table.renew(member('n1'), 5000)
        const second = member('n1', { incarnation: 'n1-2', url: 'http://other:1' })
        expect(await table.renew(second, longLeaseMs)).toEqual({ outcome: 'taken', by: member('n1') })
        await until('the second to register', async () => {
          return (await table.renew(second, longLeaseMs)).outcome === 'renewed'
        })
        expect((await table.members()).members).toEqual([second])
      })

      test('leaving with another incarnation removes nothing', async () => {
        await table.renew(member('n1'), longLeaseMs)
        await table.leave('n1', 'n1-0')
        expect((await table.members()).members).toEqual([member('n1')])
      })

      test('a retired incarnation is gone and fenced, and a new one may register', async () => {
        await table.renew(member('n1'), longLeaseMs)
        await table.retire('n1', 'n1-1', markMs)
        expect((await table.members()).members).toEqual([])
        expect(await table.renew(member('n1'), longLeaseMs)).toEqual({ outcome: 'fenced' })
        const next = member('n1', { incarnation: 'n1-2' })
        expect(await table.renew(next, longLeaseMs)).toMatchObject({ outcome: 'renewed' })
      })

      test('retiring an old incarnation leaves the new one alone', async () => {
        const next = member('n1', { incarnation: 'n1-2' })
        await table.renew(next, longLeaseMs)
        await table.retire('n1', 'n1-1', markMs)
        expect((await table.members()).members).toEqual([next])
        expect(await table.renew(next, longLeaseMs)).toMatchObject({ outcome: 'renewed', lapsed: false })
      })

      test('the mark of a retired incarnation ends', async () => {
        await table.retire('n1', 'n1-1', 50)
        await until('the mark to end', async () => {
          return (await table.renew(member('n1'), longLeaseMs)).outcome === 'renewed'
        })
      })

      test('many who register one id at once: one of them has it', async () => {
        const tries = Array.from({ length: 20 }, (_, index) =>
          table.renew(member('n1', { incarnation: `run-${index}` }), longLeaseMs),
        )
        const outcomes = (await Promise.all(tries)).map(({ outcome }) => outcome)
        expect(outcomes.filter(outcome => outcome === 'renewed')).toHaveLength(1)
        expect(outcomes.filter(outcome => outcome === 'taken')).toHaveLength(19)
      })
    })

    describe('claims', () => {
      beforeEach(async () => {
        for (const id of ['n1', 'n2', 'n3']) await table.renew(member(id), longLeaseMs)
      })

      test('a free key is claimed and found', async () => {
        const expiresAt = inAnHour()
        const spec = 'a "spec" with\nlines, 1 2 r n and ü€😀'
        const result = claimed(
          await table.claim(claimOf('n1', key('i'), { expiresAt, spec, failover: 'takeover' })),
        )
        expect(result.replaced).toBeUndefined()
        const { token } = result
        const expected = {
          key: key('i'),
          node: 'n1',
          incarnation: 'n1-1',
          token,
          expiresAt,
          failover: 'takeover',
          spec,
        }
        expect(await table.find(key('i'))).toEqual({ placement: expected, ownerAlive: true })
      })

      test('an empty spec and the longest one are kept', async () => {
        for (const spec of ['', 'x'.repeat(specLengthMax), ' leading and trailing ']) {
          await take('n1', key(`spec-${spec.length}`), { spec })
          expect((await placement(key(`spec-${spec.length}`)))?.spec).toBe(spec)
        }
      })

      test('keys that look alike are different', async () => {
        const keys = [
          key('b', 'a'),
          key('b/c', 'a'),
          key('c', 'a/b'),
          key('%2F', 'a'),
          key('/', 'a'),
          key('ü', 'a'),
        ]
        for (const each of keys) await take('n1', each, { spec: each })
        for (const each of keys) expect((await placement(each))?.spec).toBe(each)
        expect(new Set(keys).size).toBe(keys.length)
      })

      test('what was never claimed is not found', async () => {
        expect(await table.find(key('nobody'))).toEqual({ placement: undefined, gone: undefined })
      })

      test('a key whose owner lives is held, whoever asks', async () => {
        const held = await take('n1', key('i'))
        for (const node of ['n1', 'n2'])
          expect(await table.claim(claimOf(node, key('i')))).toMatchObject({
            outcome: 'held',
            placement: held,
            ownerAlive: true,
          })
        // Not even by naming it: its owner lives.
        expect(await table.claim(claimOf('n2', key('i'), { replaces: held }))).toMatchObject({
          outcome: 'held',
        })
        expect(await placement(key('i'))).toMatchObject(held)
      })

      test('its owner may replace its own placement, with a higher token', async () => {
        const held = await take('n1', key('i'))
        const result = claimed(await table.claim(claimOf('n1', key('i'), { replaces: held })))
        expect(result.token).toBeGreaterThan(held.token)
        expect(result.replaced).toMatchObject(held)
      })

      test('a placement of a node that is gone is replaced by who names it, and by no one else', async () => {
        const held = await take('n1', key('i'), { spec: 'old' })
        await table.leave('n1', 'n1-1')
        expect(await table.find(key('i'))).toMatchObject({ placement: held, ownerAlive: false })
        for (const replaces of [
          undefined,
          { ...held, token: held.token - 1 },
          { ...held, incarnation: 'n1-0' },
        ])
          expect(await table.claim(claimOf('n2', key('i'), { replaces }))).toMatchObject({
            outcome: 'held',
            placement: held,
            ownerAlive: false,
          })
        const result = claimed(await table.claim(claimOf('n2', key('i'), { replaces: held, spec: 'new' })))
        expect(result.token).toBeGreaterThan(held.token)
        expect(result.replaced).toMatchObject({ ...held, spec: 'old' })
        expect(await table.find(key('i'))).toMatchObject({
          placement: { node: 'n2', spec: 'new' },
          ownerAlive: true,
        })
      })

      test('a placement of an earlier incarnation is an orphan', async () => {
        const held = await take('n1', key('i'))
        await table.leave('n1', 'n1-1')
        await table.renew(member('n1', { incarnation: 'n1-2' }), longLeaseMs)
        expect(await table.find(key('i'))).toMatchObject({ ownerAlive: false })
        const second = { incarnation: 'n1-2', replaces: held }
        expect(claimed(await table.claim(claimOf('n1', key('i'), second))).replaced).toMatchObject(held)
      })

      test('naming what is not there any more claims a free key', async () => {
        const replaces = { node: 'n1', incarnation: 'n1-1', token: 1 }
        const result = claimed(await table.claim(claimOf('n2', key('i'), { replaces })))
        expect(result.replaced).toBeUndefined()
      })

      test('a proved death replaces, retires the incarnation, and leaves its other placements as orphans', async () => {
        const held = await take('n1', key('i'))
        await take('n1', key('other'))
        const proof = { replaces: held, deathProved: { markMs } }
        const result = claimed(await table.claim(claimOf('n2', key('i'), proof)))
        expect(result.replaced).toMatchObject(held)
        expect((await table.members()).members.map(({ id }) => id).sort()).toEqual(['n2', 'n3'])
        expect(await table.renew(member('n1'), longLeaseMs)).toEqual({ outcome: 'fenced' })
        expect(await table.find(key('other'))).toMatchObject({ ownerAlive: false })
      })

      test('a proof counts only against the very placement that it names', async () => {
        const held = await take('n1', key('i'))
        const proof = { replaces: { ...held, token: held.token - 1 }, deathProved: { markMs } }
        expect(await table.claim(claimOf('n2', key('i'), proof))).toMatchObject({ outcome: 'held' })
        expect((await table.members()).members).toHaveLength(3)
        expect(await table.renew(member('n1'), longLeaseMs)).toMatchObject({ outcome: 'renewed' })
      })

      test('a node does not retire itself', async () => {
        const held = await take('n1', key('i'))
        claimed(await table.claim(claimOf('n1', key('i'), { replaces: held, deathProved: { markMs } })))
        expect(await table.renew(member('n1'), longLeaseMs)).toMatchObject({
          outcome: 'renewed',
          lapsed: false,
        })
      })

      test('a proof against an old incarnation leaves the new one registered', async () => {
        const held = await take('n1', key('i'))
        await table.leave('n1', 'n1-1')
        const next = member('n1', { incarnation: 'n1-2' })
        await table.renew(next, longLeaseMs)
        claimed(await table.claim(claimOf('n2', key('i'), { replaces: held, deathProved: { markMs } })))
        expect(await table.renew(next, longLeaseMs)).toMatchObject({ outcome: 'renewed', lapsed: false })
      })

      test('a fenced claimer gets nothing', async () => {
        await table.retire('n1', 'n1-1', markMs)
        expect(await table.claim(claimOf('n1', key('i')))).toEqual({ outcome: 'fenced' })
        await table.renew(member('n1', { incarnation: 'n1-2' }), longLeaseMs)
        expect(await table.claim(claimOf('n1', key('i'), { incarnation: 'n1-0' }))).toEqual({
          outcome: 'fenced',
        })
        expect(await placement(key('i'))).toBeUndefined()
      })

      test('a node that is not registered (yet, or any more) gets nothing', async () => {
        await table.leave('n1', 'n1-1')
        expect(await table.claim(claimOf('n1', key('i')))).toEqual({ outcome: 'unregistered' })
        expect(await placement(key('i'))).toBeUndefined()
      })

      test('a claim of an older session is late once a renewal wrote a newer one', async () => {
        await table.renew(member('n1'), longLeaseMs, 3)
        expect(await table.claim(claimOf('n1', key('i'), { session: 2 }))).toEqual({ outcome: 'late' })
        expect(await table.claim(claimOf('n1', key('i')))).toEqual({ outcome: 'late' })
        expect(await placement(key('i'))).toBeUndefined()
        claimed(await table.claim(claimOf('n1', key('i'), { session: 3 })))
      })

      test('of many who claim a free key at once, one gets it', async () => {
        for (let round = 0; round < 10; round++) {
          const tries = ['n1', 'n2', 'n3'].flatMap(node =>
            Array.from({ length: 10 }, () => table.claim(claimOf(node, key(`race-${round}`)))),
          )
          const results = await Promise.all(tries)
          const [winner, ...others] = results.filter(result => result.outcome === 'claimed')
          expect(others).toEqual([])
          const found = await placement(key(`race-${round}`))
          expect(found?.token).toBe(winner?.token)
          for (const result of results) if (result.outcome === 'held') expect(result.placement).toEqual(found)
        }
      })

      test('of many who replace an orphan at once, over connections of their own, one gets it', async () => {
        const held = await take('n1', key('i'))
        await table.leave('n1', 'n1-1')
        const clients = await Promise.all(Array.from({ length: 4 }, () => adapter.open()))
        const tries = clients.flatMap((client, index) =>
          Array.from({ length: 10 }, () =>
            client.claim(claimOf(index % 2 === 0 ? 'n2' : 'n3', key('i'), { replaces: held })),
          ),
        )
        const results = await Promise.all(tries)
        expect(results.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(1)
        await Promise.all(clients.map(client => client.stop()))
      })

      test('of many who prove one death at once, one gets the placement', async () => {
        const held = await take('n1', key('i'))
        const proof = { replaces: held, deathProved: { markMs } }
        const tries = Array.from({ length: 20 }, (_, index) =>
          table.claim(claimOf(index % 2 === 0 ? 'n2' : 'n3', key('i'), proof)),
        )
        const outcomes = (await Promise.all(tries)).map(({ outcome }) => outcome)
        expect(outcomes.filter(outcome => outcome === 'claimed')).toHaveLength(1)
      })

      test('tokens of a key only grow: over replacements, releases and a table that was lost', async () => {
        let last = 0
        for (let round = 0; round < 5; round++) {
          const first = await take('n1', key('i'))
          const { token } = claimed(await table.claim(claimOf('n1', key('i'), { replaces: first })))
          expect(first.token).toBeGreaterThan(last)
          expect(token).toBeGreaterThan(first.token)
          expect(Number.isSafeInteger(token)).toBe(true)
          if (round % 2 === 0) await table.release(key('i'), { ...first, token }, 'deleted', longLeaseMs)
          else await adapter.lose()
          await table.renew(member('n1'), longLeaseMs)
          last = token
        }
      })
    })

    describe('releases and changes', () => {
      beforeEach(async () => {
        for (const id of ['n1', 'n2']) await table.renew(member(id), longLeaseMs)
      })

      test.each(['deleted', 'expired', 'owner-lost'] as const)(
        'a release leaves its reason: %s',
        async reason => {
          const held = await take('n1', key('i'))
          expect(await table.release(key('i'), held, reason, longLeaseMs)).toBe(true)
          expect(await table.find(key('i'))).toEqual({ placement: undefined, gone: reason })
          const { replaced } = claimed(await table.claim(claimOf('n2', key('i'))))
          expect(replaced).toBeUndefined()
        },
      )

      test('a tombstone ends', async () => {
        const held = await take('n1', key('i'))
        await table.release(key('i'), held, 'deleted', 50)
        await until('the tombstone to end', async () => {
          const found = await table.find(key('i'))
          return found.placement === undefined && found.gone === undefined
        })
      })

      test('a release by another holder, or with an older token, changes nothing', async () => {
        const first = await take('n1', key('i'))
        const { token } = claimed(await table.claim(claimOf('n1', key('i'), { replaces: first })))
        for (const held of [first, { ...first, node: 'n2', token }, { ...first, incarnation: 'n1-2', token }])
          expect(await table.release(key('i'), held, 'deleted', longLeaseMs)).toBe(false)
        expect(await placement(key('i'))).toMatchObject({ node: 'n1', token })
      })

      test('a release with the higher token of a claim without the table ends what the table has', async () => {
        const held = await take('n1', key('i'))
        expect(
          await table.release(key('i'), { ...held, token: held.token + 5 }, 'deleted', longLeaseMs),
        ).toBe(true)
        expect(await placement(key('i'))).toBeUndefined()
      })

      test('changes are written by the holder only', async () => {
        const held = await take('n1', key('i'), { spec: 'a' })
        const expiresAt = inAnHour() + 1
        expect(await table.update(key('i'), held, { spec: 'b c\nd' })).toBe(true)
        expect(await table.update(key('i'), held, { expiresAt })).toBe(true)
        expect(await placement(key('i'))).toMatchObject({ ...held, spec: 'b c\nd', expiresAt })
        expect(await table.update(key('i'), held, { spec: '', expiresAt: expiresAt + 1 })).toBe(true)
        for (const wrong of [{ node: 'n2' }, { incarnation: 'n1-2' }, { token: held.token + 1 }])
          expect(await table.update(key('i'), { ...held, ...wrong }, { spec: 'x' })).toBe(false)
        expect(await table.update(key('nobody'), held, { spec: 'x' })).toBe(false)
        expect(await placement(key('i'))).toMatchObject({ ...held, spec: '', expiresAt: expiresAt + 1 })
      })

      test('an incarnation that was declared dead changes nothing', async () => {
        const held = await take('n1', key('i'), { spec: 'a' })
        await table.retire('n1', 'n1-1', markMs)
        expect(await table.update(key('i'), held, { spec: 'b' })).toBe(false)
        expect((await placement(key('i')))?.spec).toBe('a')
      })
    })

    describe('handing back', () => {
      const spec = '{"p":1}'
      const change = () => ({ expiresAt: inAnHour(), spec })

      test('a placement that was handed back is an orphan, and goes to one of those who name it', async () => {
        for (const id of ['n1', 'n2', 'n3']) await table.renew(member(id), longLeaseMs)
        const held = await take('n1', key('i'), { failover: 'takeover' })
        expect(await table.handBack(key('i'), held, change())).toBe(true)
        const found = await table.find(key('i'))
        expect(found).toMatchObject({
          placement: { node: 'n1', incarnation: nobody, failover: 'takeover', spec },
          ownerAlive: false,
        })
        const free = found.placement
        expect(free?.token).toBeGreaterThan(held.token)
        expect(await table.orphans(bucketOf(key('i')), 10)).toEqual([free])
        const results = await Promise.all(
          ['n1', 'n2', 'n3'].map(id => table.claim(claimOf(id, key('i'), { replaces: free }))),
        )
        const won = results.filter(({ outcome }) => outcome === 'claimed')
        expect(won).toMatchObject([{ replaced: { spec } }])
        expect(results.filter(({ outcome }) => outcome === 'held')).toHaveLength(2)
      })

      test('who hands back holds nothing any more: no change, no release, no late re-assertion', async () => {
        await table.renew(member('n1'), longLeaseMs)
        const held = await take('n1', key('i'), { failover: 'takeover' })
        const before = await placement(key('i'))
        await table.handBack(key('i'), held, change())
        const free = await placement(key('i'))
        expect(await table.update(key('i'), held, { spec: 'late' })).toBe(false)
        expect(await table.release(key('i'), held, 'deleted', 60_000)).toBe(false)
        expect(await table.handBack(key('i'), held, change())).toBe(false)
        expect(before && (await table.reassert([before]))).toMatchObject({ lost: [key('i')] })
        expect(await placement(key('i'))).toEqual(free)
      })

      test('only the holder hands back, and only if it was not declared dead', async () => {
        for (const id of ['n1', 'n2']) await table.renew(member(id), longLeaseMs)
        const held = await take('n1', key('i'))
        expect(await table.handBack(key('i'), { ...held, node: 'n2' }, change())).toBe(false)
        expect(await table.handBack(key('i'), { ...held, token: held.token + 1 }, change())).toBe(false)
        expect(await table.handBack(key('other'), held, change())).toBe(false)
        await table.retire('n1', 'n1-1', markMs)
        expect(await table.handBack(key('i'), held, change())).toBe(false)
        expect(await placement(key('i'))).toMatchObject(held)
      })

      test('an orphan that nobody took is ended like any other', async () => {
        await table.renew(member('n1'), longLeaseMs)
        await table.handBack(key('i'), await take('n1', key('i')), change())
        const [orphan] = await table.orphans(bucketOf(key('i')), 10)
        expect(orphan && (await table.removeOrphan(orphan, 60_000))).toBe(true)
        expect(await table.find(key('i'))).toEqual({ placement: undefined, gone: 'owner-lost' })
      })
    })

    describe('re-assertion', () => {
      beforeEach(async () => {
        for (const id of ['n1', 'n2']) await table.renew(member(id), longLeaseMs)
      })
      const own = (of: string, token: number, change: Partial<Placement> = {}): Placement => ({
        key: of,
        node: 'n1',
        incarnation: 'n1-1',
        token,
        expiresAt: inAnHour(),
        failover: 'recreate',
        spec: 'mine',
        ...change,
      })

      test('nothing to write is no question', async () => {
        expect(await table.reassert([])).toMatchObject({ outcome: 'asserted', lost: [] })
      })

      test('writes over nothing, over its own and over a lower token; a higher one is lost', async () => {
        const mine = await take('n1', key('mine'), { spec: 'old' })
        const lower = await take('n2', key('lower'))
        const higher = await take('n2', key('higher'))
        const result = await table.reassert([
          own(key('empty'), 5),
          own(key('mine'), mine.token),
          own(key('lower'), lower.token + 1),
          own(key('higher'), higher.token - 1),
          own(key('same'), 6),
        ])
        if (result.outcome !== 'asserted') throw new Error(result.outcome)
        expect(result.lost).toEqual([key('higher')])
        expect(Object.fromEntries(result.tokens)).toEqual({
          [key('empty')]: 5,
          [key('mine')]: mine.token,
          [key('lower')]: lower.token + 1,
          [key('same')]: 6,
        })
        expect(await placement(key('mine'))).toMatchObject({ token: mine.token, spec: 'mine' })
        expect(await placement(key('lower'))).toMatchObject({ node: 'n1', token: lower.token + 1 })
        expect(await placement(key('higher'))).toMatchObject(higher)
      })

      test('another holder with the very same token keeps it', async () => {
        const other = await take('n2', key('i'))
        expect(await table.reassert([own(key('i'), other.token)])).toMatchObject({ lost: [key('i')] })
        expect(await placement(key('i'))).toMatchObject(other)
      })

      test('over its own higher token nothing is written, and that token is told', async () => {
        const mine = await take('n1', key('i'), { spec: 'newer' })
        const result = await table.reassert([own(key('i'), mine.token - 10)])
        if (result.outcome !== 'asserted') throw new Error(result.outcome)
        expect(result.tokens.get(key('i'))).toBe(mine.token)
        expect(await placement(key('i'))).toMatchObject({ ...mine, spec: 'newer' })
      })

      test('who is overruled while it lives learns of it with its next renewal, once', async () => {
        const theirs = await take('n2', key('i'))
        await table.reassert([own(key('i'), theirs.token + 1)])
        expect(await table.renew(member('n1'), longLeaseMs)).toMatchObject({ lapsed: false })
        expect(await table.renew(member('n2'), longLeaseMs)).toMatchObject({ lapsed: true })
        expect(await table.renew(member('n2'), longLeaseMs)).toMatchObject({ lapsed: false })
        // Not for writing over one's own, or over what a dead node left.
        await table.reassert([own(key('i'), theirs.token + 2)])
        expect(await table.renew(member('n1'), longLeaseMs)).toMatchObject({ lapsed: false })
      })

      test('what was released does not come back, before or after the release is told', async () => {
        const mine = await take('n1', key('i'))
        await table.release(key('i'), mine, 'expired', longLeaseMs)
        expect(await table.reassert([own(key('i'), mine.token)])).toMatchObject({ lost: [key('i')] })
        // Also where the table had lost it before the release arrived.
        await table.release(key('lost'), { ...mine, token: 7 }, 'deleted', longLeaseMs)
        expect(await table.reassert([own(key('lost'), 7)])).toMatchObject({ lost: [key('lost')] })
        expect(await table.find(key('i'))).toEqual({ placement: undefined, gone: 'expired' })
      })

      test('a table that came back empty is filled again, with another birth id', async () => {
        const { birth } = await table.members()
        const mine = await take('n1', key('i'))
        await adapter.lose()
        const renewal = await table.renew(member('n1'), longLeaseMs)
        expect(renewal).toMatchObject({ outcome: 'renewed', lapsed: true })
        expect((await table.members()).birth).not.toBe(birth)
        await table.reassert([own(key('i'), mine.token)])
        expect(await table.find(key('i'))).toMatchObject({ placement: mine, ownerAlive: true })
      })

      test('a claim that knows another life of the table is told, and nothing is written', async () => {
        const { birth } = await table.members()
        await take('n1', key('before'), { birth })
        await adapter.lose()
        await table.renew(member('n1'), longLeaseMs)
        const result = await table.claim(claimOf('n1', key('i'), { birth }))
        expect(result.outcome).toBe('reborn')
        expect(await placement(key('i'))).toBeUndefined()
        if (result.outcome === 'reborn') await take('n1', key('i'), { birth: result.birth })
      })

      test('an unregistered, dead or replaced incarnation writes nothing', async () => {
        await table.leave('n1', 'n1-1')
        expect(await table.reassert([own(key('i'), 5)])).toEqual({ outcome: 'unregistered' })
        await table.retire('n1', 'n1-1', markMs)
        expect(await table.reassert([own(key('i'), 5)])).toEqual({ outcome: 'fenced' })
        await table.renew(member('n1', { incarnation: 'n1-2' }), longLeaseMs)
        expect(await table.reassert([own(key('i'), 5, { incarnation: 'n1-0' })])).toEqual({
          outcome: 'fenced',
        })
        expect(await placement(key('i'))).toBeUndefined()
      })

      test('a late re-assertion, of an older session or an earlier life of the table, writes nothing', async () => {
        const { birth } = await table.members()
        await table.renew(member('n1'), longLeaseMs, 2)
        expect(await table.reassert([own(key('i'), 5)], { session: 1, birth })).toEqual({ outcome: 'late' })
        expect(await table.reassert([own(key('i'), 5)], { session: 2, birth })).toMatchObject({
          outcome: 'asserted',
        })
        // A renewal that arrives late does not take the session back.
        await table.renew(member('n1'), longLeaseMs, 1)
        expect(await table.reassert([own(key('i'), 5)], { session: 1 })).toEqual({ outcome: 'late' })
        await adapter.lose()
        await table.renew(member('n1'), longLeaseMs)
        expect(await table.reassert([own(key('i'), 5)], { session: 2, birth })).toMatchObject({
          outcome: 'reborn',
        })
        expect(await placement(key('i'))).toBeUndefined()
      })

      test('a full batch is written', async () => {
        const all = Array.from({ length: 50 }, (_, index) => own(key(`many-${index}`), index + 1))
        const result = await table.reassert(all)
        if (result.outcome !== 'asserted') throw new Error(result.outcome)
        expect(result.tokens.size).toBe(50)
        expect(await table.list({ node: 'n1' }, 100)).toHaveLength(50)
      })

      test('of two nodes that re-assert one key at once, the higher token wins', async () => {
        for (let round = 0; round < 10; round++) {
          const each = key(`both-${round}`)
          const theirs = own(each, 11, { node: 'n2', incarnation: 'n2-1' })
          const both = round % 2 === 0 ? [own(each, 10), theirs] : [theirs, own(each, 10)]
          await Promise.all(both.map(placed => table.reassert([placed])))
          expect(await placement(each)).toMatchObject({ node: 'n2', token: 11 })
        }
      })
    })

    describe('lists and orphans', () => {
      beforeEach(async () => {
        for (const id of ['n1', 'n2']) await table.renew(member(id), longLeaseMs)
        for (let index = 0; index < 40; index++)
          await take(index % 2 === 0 ? 'n1' : 'n2', key(`i-${index}`, index < 30 ? 'a' : 'a/b'))
      })
      const orphans = async (limit: number): Promise<Placement[]> => {
        const found: Placement[] = []
        for (let bucket = 0; bucket < bucketCount; bucket++)
          found.push(...(await table.orphans(bucket, limit)))
        return found
      }

      test('placements of a node, of a group, of both, of all', async () => {
        expect(await table.list({ node: 'n1' }, 100)).toHaveLength(20)
        expect(await table.list({ group: 'a' }, 100)).toHaveLength(30)
        expect(await table.list({ group: 'a/b' }, 100)).toHaveLength(10)
        expect(await table.list({ node: 'n2', group: 'a/b' }, 100)).toHaveLength(5)
        expect(await table.list({}, 100)).toHaveLength(40)
        expect(await table.list({ node: 'nobody' }, 100)).toEqual([])
        for (const { key: of, node } of await table.list({ node: 'n1' }, 100)) {
          expect(node).toBe('n1')
          expect(await placement(of)).toBeDefined()
        }
      })

      test('the lists of the buckets are the whole list', async () => {
        const keys: string[] = []
        for (let bucket = 0; bucket < bucketCount; bucket++) {
          const list = await table.list({ bucket }, 100)
          for (const { key: of } of list) expect(bucketOf(of)).toBe(bucket)
          keys.push(...list.map(placement => placement.key))
        }
        expect(keys.sort()).toEqual((await table.list({}, 100)).map(placement => placement.key).sort())
        const [one] = await table.list({ node: 'n2', group: 'a/b' }, 1)
        const bucket = bucketOf(one?.key ?? '')
        expect(await table.list({ node: 'n2', group: 'a/b', bucket }, 100)).toContainEqual(one)
        expect(await table.list({ node: 'nobody', bucket }, 100)).toEqual([])
        expect(await table.list({ bucket }, 0)).toEqual([])
      })

      test('a list has no more than its limit', async () => {
        expect(await table.list({}, 7)).toHaveLength(7)
        expect(await table.list({}, 0)).toEqual([])
      })

      test('released placements are in no list', async () => {
        const [first] = await table.list({ node: 'n1' }, 1)
        if (first) await table.release(first.key, first, 'deleted', longLeaseMs)
        expect(await table.list({ node: 'n1' }, 100)).toHaveLength(19)
      })

      test('while all owners live there are no orphans', async () => {
        expect(await orphans(100)).toEqual([])
      })

      test('orphans are those of nodes that are gone, each in its bucket, within the limit', async () => {
        await table.leave('n1', 'n1-1')
        const found = await orphans(100)
        expect(found).toHaveLength(20)
        expect(new Set(found.map(({ node }) => node))).toEqual(new Set(['n1']))
        const [first] = found
        if (!first) throw new Error('no orphan')
        expect(await table.orphans(bucketOf(first.key), 100)).toContainEqual(first)
        expect(await table.orphans(bucketOf(first.key), 0)).toEqual([])
      })

      test('an orphan is ended once, with its reason', async () => {
        await table.leave('n1', 'n1-1')
        const [first] = await orphans(100)
        if (!first) throw new Error('no orphan')
        const ended = await Promise.all([1, 2, 3].map(() => table.removeOrphan(first, longLeaseMs)))
        expect(ended.filter(Boolean)).toHaveLength(1)
        expect(await table.find(first.key)).toEqual({ placement: undefined, gone: 'owner-lost' })
      })

      test('an orphan that was claimed, or whose owner is back, is left alone', async () => {
        await table.leave('n1', 'n1-1')
        const [first, second] = await orphans(100)
        if (!first || !second) throw new Error('no orphans')
        claimed(await table.claim(claimOf('n2', first.key, { replaces: first })))
        expect(await table.removeOrphan(first, longLeaseMs)).toBe(false)
        await table.renew(member('n1'), longLeaseMs)
        expect(await table.removeOrphan(second, longLeaseMs)).toBe(false)
        expect(await placement(first.key)).toMatchObject({ node: 'n2' })
        expect(await placement(second.key)).toMatchObject({ node: 'n1' })
      })
    })

    describe('its loss', () => {
      test('listeners are told when the contents were lost, until they are taken away', async () => {
        let told = 0
        const remove = table.onReturn(() => told++)
        await table.members()
        expect(told).toBe(0)
        await adapter.lose()
        await table.members()
        expect(told).toBeGreaterThan(0)
        remove()
        const before = told
        await adapter.lose()
        await table.members()
        expect(told).toBe(before)
      })

      test('it answers a ping', async () => {
        await table.ping()
      })
    })
  })
}

let memory = new MemoryRoutingTable({ clock: systemClock })
contract('memory', {
  open: async () => memory,
  lose: async () => memory.clear(),
  reset: async () => {
    memory = new MemoryRoutingTable({ clock: systemClock })
  },
})

const shapes: Readonly<Record<string, () => Promise<ShapedRedis>>> = {
  'a Redis': async () => sharedRedis(),
  'a Redis with TLS and a password': startTlsRedis,
  'a Redis behind a Sentinel': startSentinelRedis,
  'a Redis Cluster': startClusterRedis,
}

describe.each(Object.entries(shapes))('with %s', (name, start) => {
  let redis: ShapedRedis
  let prefix = ''
  beforeAll(async () => {
    redis = await start()
  }, 60_000)
  afterAll(() => redis?.stop())
  contract(name, {
    open: () =>
      openRedisRoutingTable({
        address: redis.address,
        keyPrefix: prefix,
        timeoutMs: 10_000,
        log: silentLogger,
        clock: systemClock,
      }),
    lose: () => redis.clear(prefix),
    reset: async () => {
      prefix = `{${uniqueName('routing-table')}}:`
    },
  })
})
