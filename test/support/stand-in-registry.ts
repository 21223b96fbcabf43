import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface StandInAnswer {
  readonly status: number
  readonly body: unknown
}

/** A registry whose answers a test decides: for refusals that a real one gives only with access control. */
export class StandInRegistry {
  /** `METHOD path` of each call. */
  readonly calls: string[] = []
  /** The answer to a call; by default nothing is known. */
  answer: (call: string) => StandInAnswer = () => ({
    status: 404,
    body: { error_code: 40403, message: 'Schema not found' },
  })
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      const call = `${request.method} ${request.url}`
      this.calls.push(call)
      const { status, body } = this.answer(call)
      response.writeHead(status, { 'Content-Type': 'application/vnd.schemaregistry.v1+json' })
      response.end(JSON.stringify(body))
    })
  }

  static async start(): Promise<StandInRegistry> {
    const registry = new StandInRegistry()
    await new Promise<void>(resolve => registry.#server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
