import { type IdentityAnswer, isDeathProof } from '../../shared/routing/death-proof.ts'
import { SingleFlight } from '../../shared/single-flight.ts'
import type { GatewayMeter } from '../metrics.ts'
import type { NodeQuestions } from './node-questions.ts'
import type { KnownNode, NodeView } from './node-view.ts'

export interface DeathCheckDeps {
  readonly view: NodeView
  readonly questions: NodeQuestions
  /** Setting `nodes.refused.is.dead`. */
  readonly refusedIsDead: boolean
  readonly meter: GatewayMeter
}

/** How many other nodes are asked until one answers. */
const witnessesMax = 2

/**
 * Whether a node incarnation is dead for certain, before its lease runs out. Proof is a refused connection at the
 * process's own socket, or another process answering there; never a reset, a time-out or an unreachable host, which a
 * paused or cut-off process shows too. Two processes must see it: this gateway, and one other node; where there is no
 * other node the gateway alone decides.
 */
export class DeathCheck {
  readonly #deps: DeathCheckDeps
  readonly #checks = new SingleFlight<string, boolean>()

  constructor(deps: DeathCheckDeps) {
    this.#deps = deps
  }

  /** Checks a node, once for all who ask at the same time; a dead one is no longer in the view afterwards. */
  prove(node: KnownNode): Promise<boolean> {
    const name = JSON.stringify([node.id, node.incarnation, node.internalUrl])
    return this.#checks.run(name, undefined, () => this.#check(node))
  }

  async #check(node: KnownNode): Promise<boolean> {
    const { view, questions, meter } = this.#deps
    if (view.isDead(node.incarnation)) return true
    const seen = this.#isProof(await questions.identity(node), node)
    const dead = seen && (await this.#isWitnessed(node))
    meter.count('kafka_rest_gateway_node_deaths_total', { proved: String(dead) })
    if (dead && node.incarnation !== undefined) view.markDead(node.incarnation)
    return dead
  }

  #isProof(answer: IdentityAnswer, { id, incarnation }: KnownNode): boolean {
    // A node of the static list may be any incarnation, so only another id speaks against it.
    const any = answer.outcome === 'identity' ? answer.incarnation : ''
    return isDeathProof(answer, { id, incarnation: incarnation ?? any }, this.#deps)
  }

  async #isWitnessed(node: KnownNode): Promise<boolean> {
    const { view, questions } = this.#deps
    const others = view.nodes().filter(other => other.id !== node.id)
    if (others.length === 0) return true
    for (const witness of others.slice(0, witnessesMax)) {
      const answer = await questions.findsDead(witness, node)
      if (answer !== undefined) return answer
    }
    return false
  }
}
