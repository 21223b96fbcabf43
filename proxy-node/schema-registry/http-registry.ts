import { Agent, type Dispatcher, request } from 'undici'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/observability/logger.ts'
import type { RegistrySchema, SchemaRegistry } from '../ports/schema-registry.ts'
import { RegistryError } from '../ports/schema-registry.ts'
import { parseRefusal, parseSchema, parseSubjectVersion, registryJson } from './registry-json.ts'
import type { TlsOptions } from './registry-tls.ts'

export interface HttpRegistryOptions {
  /** Base URLs, tried in this order; one that fails is passed over until another fails. */
  readonly urls: readonly string[]
  /** The `Authorization` header, if any; credentials inside a URL win. */
  readonly authorization: string | undefined
  readonly tls: TlsOptions
  /** Ms to connect to one registry. */
  readonly connectTimeoutMs: number
  /** Ms that one call may take in all, with fail-over and retries. */
  readonly callTimeoutMs: number
  /** How often all URLs are tried again after the first time. */
  readonly retriesMax: number
  /** Ms before the first retry; doubled for each one after. */
  readonly retryWaitMs: number
  /** Calls under way at once; one more is refused. */
  readonly callsMax: number
  /** Bytes of one answer. */
  readonly answerBytesMax: number
}

interface Deps {
  readonly clock: Clock
  readonly log: Logger
}

interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
}

/**
 * After a call that no URL answered, the registry is in doubt for this long, or until it answers anything: calls are
 * tried once, in a part of their time. One that hangs then costs one whole wait, not many, and one that is well but slow
 * for one call still answers the others.
 */
const doubtMs = 500
const shareInDoubt = 1 / 4

/**
 * The HTTP client of Confluent's registry API. Every call is safe to repeat (registering a schema twice gives the
 * same id), so an attempt that got no answer, or one that says that the registry is busy or ill (408, 429, 5xx), goes on
 * to the next URL, and then around again with a growing pause, all within `callTimeoutMs`.
 */
export class HttpRegistry implements SchemaRegistry {
  readonly #options: HttpRegistryOptions
  readonly #deps: Deps
  readonly #targets: readonly { origin: string; prefix: string; authorization: string | undefined }[]
  readonly #agent: Agent
  /** Index of the URL that answered last. */
  #preferred = 0
  #callsUnderWay = 0
  /** In monotonic time: the last whole answer, of any status, and the end of the doubt whether there will be others. */
  #answeredAt = Number.NEGATIVE_INFINITY
  #inDoubtUntil = Number.NEGATIVE_INFINITY

  constructor(options: HttpRegistryOptions, deps: Deps) {
    if (options.urls.length === 0) throw new TypeError('a registry needs a URL')
    this.#options = options
    this.#deps = deps
    this.#targets = options.urls.map(url => targetOf(url, options.authorization))
    this.#agent = new Agent({
      // None of the calls under way waits for another's connection: that wait would count as the registry's.
      connections: options.callsMax,
      pipelining: 1,
      connect: { ...options.tls, timeout: options.connectTimeoutMs },
      maxResponseSize: options.answerBytesMax,
    })
  }

  async schemaById(id: number, signal?: AbortSignal) {
    return parseSchema(await this.#call({ method: 'GET', path: `/schemas/ids/${id}` }, signal))
  }

  async schemaByGuid(guid: string, signal?: AbortSignal) {
    return parseSchema(await this.#call({ method: 'GET', path: `/schemas/guids/${guid}` }, signal))
  }

  async schemaVersion(subject: string, version: number | 'latest', signal?: AbortSignal) {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`
    return parseSubjectVersion(await this.#call({ method: 'GET', path }, signal))
  }

  async lookup(subject: string, schema: RegistrySchema, signal?: AbortSignal) {
    const path = `/subjects/${encodeURIComponent(subject)}`
    const answer = await this.#call({ method: 'POST', path, body: registryJson(schema) }, signal)
    // Some registries leave the schema out of this answer; the caller has just named it.
    return parseSubjectVersion(answer, schema)
  }

  async register(subject: string, schema: RegistrySchema, signal?: AbortSignal) {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const answer = await this.#call({ method: 'POST', path, body: registryJson(schema) }, signal)
    if (typeof answer['id'] === 'number') return { id: answer['id'] }
    throw new RegistryError('unavailable', 'the Schema Registry gave an answer without an id')
  }

  async versions(subject: string, signal?: AbortSignal) {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    try {
      const { items } = await this.#call({ method: 'GET', path }, signal)
      return Array.isArray(items) ? items.filter(item => typeof item === 'number') : []
    } catch (error) {
      if (error instanceof RegistryError && error.errorCode === unknownSubject) return []
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.#agent.destroy()
  }

  async #call(call: Call, signal: AbortSignal | undefined): Promise<Record<string, unknown>> {
    if (this.#callsUnderWay >= this.#options.callsMax) {
      throw new RegistryError('overloaded', 'too many calls to the Schema Registry wait already')
    }
    this.#callsUnderWay++
    try {
      return await this.#attempts(call, signal)
    } finally {
      this.#callsUnderWay--
    }
  }

  /** Goes around the URLs until one answers or the time is up. */
  async #attempts(call: Call, signal: AbortSignal | undefined) {
    const { clock } = this.#deps
    const { callTimeoutMs, retryWaitMs } = this.#options
    const begun = clock.monotonic()
    const inDoubt = begun < this.#inDoubtUntil
    const deadline = begun + callTimeoutMs * (inDoubt ? shareInDoubt : 1)
    const retriesMax = inDoubt ? 0 : this.#options.retriesMax
    let failure: RegistryError | undefined
    for (let round = 0; round <= retriesMax; round++) {
      const first = this.#preferred
      for (let index = 0; index < this.#targets.length; index++) {
        const remainingMs = deadline - clock.monotonic()
        if (remainingMs <= 0) break
        const target = (first + index) % this.#targets.length
        try {
          const answer = await this.#attempt(call, target, this.#attemptMs(remainingMs, index), signal)
          this.#preferred = target
          return answer
        } catch (error) {
          if (!(error instanceof RegistryError) || error.kind !== 'unavailable') throw error
          failure = error
        }
      }
      const waitMs = retryWaitMs * 2 ** round
      if (round === retriesMax || clock.monotonic() + waitMs >= deadline) break
      await clock.sleep(waitMs, signal)
    }
    failure ??= new RegistryError('unavailable', 'the Schema Registry did not answer in time')
    // A call cut short must not make the doubt longer: a registry that has become slow would never get out of it.
    if (!inDoubt && this.#answeredAt < begun) this.#doubt(failure)
    throw failure
  }

  /** One that hangs must leave time for those after it; the last one gets all that is left. */
  #attemptMs(remainingMs: number, index: number): number {
    return index === this.#targets.length - 1 ? remainingMs : remainingMs / 2
  }

  #doubt(failure: RegistryError): void {
    this.#inDoubtUntil = this.#deps.clock.monotonic() + doubtMs
    this.#deps.log.warn({ err: failure }, 'the Schema Registry does not answer')
  }

  #answered(): void {
    this.#answeredAt = this.#deps.clock.monotonic()
    this.#inDoubtUntil = Number.NEGATIVE_INFINITY
  }

  async #attempt(call: Call, index: number, timeoutMs: number, signal: AbortSignal | undefined) {
    const target = this.#targets[index]
    if (target === undefined) throw new TypeError('no such registry')
    const timeUp = new AbortController()
    const timer = this.#deps.clock.after(timeoutMs, () => timeUp.abort(timedOut))
    try {
      const response = await request(`${target.origin}${target.prefix}${call.path}`, {
        dispatcher: this.#agent,
        method: call.method,
        headers: {
          accept: 'application/vnd.schemaregistry.v1+json, application/json',
          ...(call.body === undefined ? {} : { 'content-type': 'application/vnd.schemaregistry.v1+json' }),
          ...(target.authorization === undefined ? {} : { authorization: target.authorization }),
        },
        body: call.body ?? null,
        signal: signal === undefined ? timeUp.signal : AbortSignal.any([signal, timeUp.signal]),
      })
      const text = await this.#textOf(response)
      if (isSuccess(response.statusCode)) return jsonObject(text, response.statusCode)
      throw parseRefusal(response.statusCode, text)
    } catch (error) {
      if (error instanceof RegistryError || signal?.aborted) throw error
      throw new RegistryError('unavailable', `the Schema Registry at ${target.origin} ${reasonOf(error)}`, {
        cause: error,
      })
    } finally {
      timer.cancel()
    }
  }

  async #textOf({ statusCode: status, body }: Dispatcher.ResponseData): Promise<string> {
    try {
      const text = await body.text()
      this.#answered()
      return text
    } catch (cause) {
      if (codeOf(cause) !== 'UND_ERR_RES_EXCEEDED_MAX_SIZE') throw cause
      this.#answered()
      if (!isSuccess(status)) throw parseRefusal(status, '')
      // Not "unavailable": asked again, or at another URL, it would be as long.
      const text = `the Schema Registry gave an answer of more than ${this.#options.answerBytesMax} bytes`
      throw new RegistryError('answered', text, { status, cause })
    }
  }
}

const unknownSubject = 40401
const timedOut = new Error('the time for the call is up')

function reasonOf(error: unknown): string {
  if (error === timedOut) return 'did not answer in time'
  return `could not be asked (${codeOf(error) ?? String(error)})`
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

function targetOf(text: string, authorization: string | undefined) {
  const url = new URL(text)
  const inUrl =
    url.username === ''
      ? undefined
      : basicAuthorization(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`)
  return {
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, ''),
    authorization: inUrl ?? authorization,
  }
}

/** RFC 7617; `userInfo` is `user:password`. */
export function basicAuthorization(userInfo: string): string {
  return `Basic ${Buffer.from(userInfo, 'utf8').toString('base64')}`
}

/**
 * An array, as a list of versions is, comes as `{items}`. What is no JSON is the page of a balancer in front of one
 * registry: the next URL may do better.
 */
function jsonObject(text: string, status: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return { items: value }
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch (cause) {
    throw new RegistryError('unavailable', 'the Schema Registry gave an answer that is not JSON', {
      status,
      cause,
    })
  }
  throw new RegistryError('unavailable', 'the Schema Registry gave an answer that is no JSON object', {
    status,
  })
}
