import { instanceKey } from '../../shared/ids.ts'
import type { ClaimRequest, Member } from '../../shared/routing/routing-table.ts'

/** The member record of a node in its first run, with what a test needs otherwise. */
export const member = (id: string, change: Partial<Member> = {}): Member => ({
  id,
  incarnation: `${id}-1`,
  url: `http://${id}:8083`,
  internalUrl: `http://${id}:8083`,
  zone: 'a',
  state: 'active',
  instances: 0,
  instancesMax: 2000,
  failover: 'recreate',
  signature: '',
  ...change,
})

/** A first claim of a key by the first run of a node, good for an hour. */
export const claimOf = (node: string, key: string, change: Partial<ClaimRequest> = {}): ClaimRequest => ({
  key,
  node,
  incarnation: `${node}-1`,
  expiresAt: Date.now() + 3_600_000,
  failover: 'recreate',
  spec: '{}',
  replaces: undefined,
  deathProved: false,
  ...change,
})

/** The key of an instance of the group `g`. */
export const key = (instance: string, group = 'g') => instanceKey({ group, instance })
