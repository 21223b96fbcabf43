/**
 * When a process counts as dead. A false "dead" makes a client recreate a consumer that still lives, so only
 * two things prove it: nothing listens on the process's own socket any more, or something else answers there.
 * A time-out, a reset or an unreachable host proves nothing: the process may be paused, or the network cut.
 */

/** What came of asking an internal url for its identity. */
export type IdentityAnswer =
  /** The connection was refused (ECONNREFUSED): the host lives and nothing listens there. */
  | { readonly outcome: 'refused' }
  | { readonly outcome: 'identity'; readonly id: string; readonly incarnation: string }
  /** Anything else: time-out, reset, unreachable host, an answer that is no identity. */
  | { readonly outcome: 'unclear'; readonly detail: string }

/** Asks an internal url for its identity; never rejects. */
export type ProbeIdentity = (
  internalUrl: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
) => Promise<IdentityAnswer>

export interface DeathProofRules {
  /**
   * Setting `nodes.refused.is.dead`. False where the address belongs to a service, NAT or balancer, which refuse for
   * others: then only another identity proves it, and else the lease decides.
   */
  readonly refusedIsDead: boolean
}

/**
 * Whether an answer proves that this incarnation of this node is dead. An empty incarnation means any: the node is
 * known by its address only (from a static list).
 */
export function isDeathProof(
  answer: IdentityAnswer,
  expected: { readonly id: string; readonly incarnation: string },
  rules: DeathProofRules,
): boolean {
  switch (answer.outcome) {
    case 'refused':
      return rules.refusedIsDead
    case 'identity':
      if (expected.incarnation === '') return answer.id !== expected.id
      return answer.id !== expected.id || answer.incarnation !== expected.incarnation
    case 'unclear':
      return false
  }
}

/**
 * Asks and decides. One process's view is not enough to act on: the gateway and one other node must both see it.
 * @param expected the member whose death is asked about; its url must come from a record that verified, since the
 *   internal token is sent there.
 */
export async function deathProved(
  expected: { readonly id: string; readonly incarnation: string; readonly internalUrl: string },
  options: DeathProofRules & {
    readonly timeoutMs: number
    readonly probe: ProbeIdentity
    readonly signal?: AbortSignal
  },
): Promise<boolean> {
  const { timeoutMs, signal } = options
  const limits = signal === undefined ? { timeoutMs } : { timeoutMs, signal }
  return isDeathProof(await options.probe(expected.internalUrl, limits), expected, options)
}
