import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { InstanceRef } from '../ids.ts'
import type { IdentityAnswer, ProbeIdentity } from '../routing/death-proof.ts'
import type { Holding } from '../routing/routing-table.ts'
import { internalHeaders, internalRoutes } from './internal-headers.ts'
import type { NodeTls } from './node-tls.ts'

/** What came of one question to another process. */
type Answer =
  | { readonly outcome: 'answered'; readonly status: number; readonly body: unknown }
  | { readonly outcome: 'refused' }
  | { readonly outcome: 'unclear'; readonly detail: string }

/** A JSON answer beyond this is no answer to our questions. */
const bodyBytesMax = 4096

/**
 * Makes the question who answers at an internal url. Each question has a connection of its own: one that was kept may
 * lead to a process that is gone, and its reset would prove nothing.
 */
export function createIdentityProbe(internalToken: string, tls: NodeTls = {}): ProbeIdentity {
  return async (internalUrl, { timeoutMs, signal }): Promise<IdentityAnswer> => {
    const answer = await ask(internalUrl, internalRoutes.identity, { internalToken, tls, timeoutMs, signal })
    if (answer.outcome !== 'answered') return answer
    const identity = identityOf(answer.body)
    if (answer.status !== 200 || !identity)
      return { outcome: 'unclear', detail: `status ${answer.status} is no identity` }
    return { outcome: 'identity', ...identity }
  }
}

/** Makes the question whether the process at an internal url holds an instance; `unclear`: it did not say. */
export function createInstanceProbe(internalToken: string, tls: NodeTls = {}) {
  return async (
    internalUrl: string,
    { group, instance }: InstanceRef,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<'held' | 'absent' | 'unclear'> => {
    const path = `${internalRoutes.instances}/${encodeURIComponent(group)}/${encodeURIComponent(instance)}`
    const answer = await ask(internalUrl, path, { internalToken, tls, timeoutMs })
    if (answer.outcome !== 'answered') return 'unclear'
    if (answer.status === 200) return 'held'
    // The token is one for the deployment, so a 404 is the node's no and not its refusal to talk.
    return answer.status === 404 && internalToken !== '' ? 'absent' : 'unclear'
  }
}

/** What a node says when it is asked to take an instance over. */
export type TakeoverReply =
  | 'held'
  /** Somebody else has it by now, or it is gone: nothing is left to ask. */
  | 'settled'
  /** It is full or leaving, or did not answer. */
  | 'refused'

/** Makes the question to a node whether it takes over an instance that was handed back; never rejects. */
export function createTakeoverQuestion(internalToken: string, timeoutMs: number, tls: NodeTls = {}) {
  return async (
    internalUrl: string,
    { group, instance }: InstanceRef,
    replaces: Holding,
  ): Promise<TakeoverReply> => {
    const { node, incarnation, token } = replaces
    const body = JSON.stringify({
      group,
      instance,
      replaces: { node, incarnation, token },
      death_proved: false,
    })
    const answer = await ask(internalUrl, internalRoutes.takeovers, { internalToken, tls, timeoutMs, body })
    if (answer.outcome !== 'answered') return 'refused'
    if (answer.status === 200) return 'held'
    return answer.status === 404 || answer.status === 409 ? 'settled' : 'refused'
  }
}

interface AskOptions {
  readonly internalToken: string
  readonly tls: NodeTls
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** JSON: makes it a POST. */
  readonly body?: string
}

function ask(internalUrl: string, path: string, options: AskOptions): Promise<Answer> {
  const timeout = AbortSignal.timeout(options.timeoutMs)
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  return new Promise(resolve => {
    const failed = (error: unknown) => resolve(isRefusal(error) ? { outcome: 'refused' } : unclear(error))
    try {
      const headers = options.internalToken === '' ? {} : { [internalHeaders.token]: options.internalToken }
      const method = options.body === undefined ? 'GET' : 'POST'
      const url = new URL(path, internalUrl)
      const request = url.protocol === 'https:' ? httpsRequest : httpRequest
      const asking = request(url, { ...options.tls, agent: false, headers, method, signal }, response => {
        readBody(response).then(
          body => resolve({ outcome: 'answered', status: response.statusCode ?? 0, body }),
          // Once something has answered, nothing is a refusal.
          error => resolve(unclear(error)),
        )
      })
      asking.on('error', failed)
      asking.end(options.body)
    } catch (error) {
      failed(error)
    }
  })
}

const unclear = (error: unknown): Answer => ({ outcome: 'unclear', detail: String(error) })

/** Nothing listens: every address of the host refused the connection (RFC 9293 §3.10.7.1). */
function isRefusal(error: unknown): boolean {
  // A name with several addresses: one that refuses says nothing about one that did not answer.
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isRefusal)
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
}

async function readBody(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    length += chunk.length
    if (length > bodyBytesMax) throw new Error(`an answer of more than ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

function identityOf(body: unknown): { id: string; incarnation: string } | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const { id, incarnation } = body as { id?: unknown; incarnation?: unknown }
  return typeof id === 'string' && typeof incarnation === 'string' ? { id, incarnation } : undefined
}
