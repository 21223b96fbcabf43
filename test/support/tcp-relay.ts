import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * Passes connections on to a broker until a test breaks them: for faults that a real network has and a healthy one does
 * not show. Stop it in `afterAll`.
 */
export class TcpRelay {
  readonly #server: Server
  readonly #pairs = new Set<{ client: Socket; broker: Socket }>()
  #mode: 'pass' | 'swallow-answer' | 'stall' = 'pass'
  #delayMs = 0
  /** When the last bytes for a client come through. */
  readonly #due = new WeakMap<Socket, number>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(address: string): Promise<TcpRelay> {
    const [host = '', port] = address.split(':')
    const server = createServer()
    const relay = new TcpRelay(server)
    server.on('connection', client => relay.#relay(client, connect(Number(port), host)))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** The broker gets the next request and answers it, but its answer is lost together with the connection. */
  swallowNextAnswer(): void {
    this.#mode = 'swallow-answer'
  }

  /** From now on nothing that the broker says comes through, and no connection ends. */
  stall(): void {
    this.#mode = 'stall'
  }

  /** From now on what the broker says comes through, in its order, this much later. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  pass(): void {
    this.#mode = 'pass'
    this.#delayMs = 0
  }

  async stop(): Promise<void> {
    for (const { client, broker } of this.#pairs) {
      client.destroy()
      broker.destroy()
    }
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  #relay(client: Socket, broker: Socket): void {
    const pair = { client, broker }
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      broker.destroy()
    }
    for (const socket of [client, broker]) socket.on('close', end).on('error', end)
    client.on('data', data => broker.write(data))
    broker.on('data', data => {
      if (this.#mode === 'pass') this.#pass(data, client)
      else if (this.#mode === 'swallow-answer') {
        this.#mode = 'pass'
        end()
      }
    })
  }

  /** In order: timers of one delay fire as they were set, and what comes after a change to a shorter one waits too. */
  #pass(data: Buffer, client: Socket): void {
    const now = performance.now()
    const due = Math.max(now + this.#delayMs, this.#due.get(client) ?? 0)
    if (due <= now) return void client.write(data)
    this.#due.set(client, due)
    setTimeout(() => client.write(data), due - now)
  }
}
