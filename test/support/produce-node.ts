import { type RunningProxyNode, startProxyNode } from '../../proxy-node/program.ts'
import { proxyNodePassThrough, proxyNodeSettings } from '../../proxy-node/settings.ts'
import { systemClock } from '../../shared/clock.ts'
import { type Logger, silentLogger } from '../../shared/observability/logger.ts'
import { loadSettings } from '../../shared/settings/load.ts'
import { http, type RawRequest, type RawResponse } from './http-client.ts'
import { kafkaAddress } from './services.ts'

export const v2 = 'application/vnd.kafka.v2+json'
export const typeOf = (format: string) => `application/vnd.kafka.${format}.v2+json`

/** A whole proxy node inside the test's process, without a routing table of its own. Stop it in `afterAll`. */
export class ProduceNode {
  readonly #node: RunningProxyNode

  private constructor(node: RunningProxyNode) {
    this.#node = node
  }

  static async start(
    overrides: Readonly<Record<string, string>> = {},
    log: Logger = silentLogger,
  ): Promise<ProduceNode> {
    const entries = {
      'bootstrap.servers': overrides['bootstrap.servers'] ?? kafkaAddress(),
      listeners: 'http://127.0.0.1:0',
      'admin.listener': '',
      'schema.registry.url': '',
      // A registry that has just started takes seconds for the first schema of a type on a busy machine.
      'schema.registry.http.read.timeout.ms': '30000',
      'access.log.enable': 'false',
      ...overrides,
    }
    const loaded = loadSettings(proxyNodeSettings, new Map(Object.entries(entries)), {}, proxyNodePassThrough)
    const onFatal = (error: Error) => {
      throw error
    }
    return new ProduceNode(await startProxyNode(loaded, { log, clock: systemClock, onFatal }))
  }

  get url(): string {
    return this.#node.url
  }

  request(method: string, path: string, options: Partial<RawRequest> = {}): Promise<RawResponse> {
    return http({ base: this.#node.url, path, method, ...options })
  }

  /** `POST path` with a body of a format (null: without a Content-Type); a string is sent as it is. */
  produce(path: string, body: unknown, format: string | null = 'json'): Promise<RawResponse> {
    return this.request('POST', path, {
      headers: format === null ? {} : { 'Content-Type': typeOf(format) },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      // A request may have to wait until a broker has started again.
      timeoutMs: 150_000,
    })
  }

  stop(): Promise<void> {
    return this.#node.stop()
  }
}
