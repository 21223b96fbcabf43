import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Route } from '../../shared/rest/routes.ts'

/**
 * One request as handlers see it: matched, negotiated, with its body not yet read. A handler throws
 * RestError for what the client must see; anything else ends as one 500 with a logged id.
 */
export interface NodeRequest {
  readonly route: Route
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The request body's media type without parameters, lower-cased; undefined when the header is absent. */
  readonly contentType: string | undefined
  /** The negotiated response type, one of the route's own; `contentTypeHeader` adds echoed parameters. */
  readonly responseType: string
  readonly contentTypeHeader: string
  /**
   * The whole body within `request.body.max.bytes` or `request.control.body.max.bytes`; empty when there is none. Read
   * once.
   */
  body(): Promise<Buffer>
  readonly requestId: string
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal
  /** What a gateway with a valid internal token said; undefined on a direct request. */
  readonly gateway: GatewayHints | undefined
  /** The raw pair, for base_uri and for knowing whether an answer was delivered. */
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** Internal request headers, believed only together with the internal token. */
export interface GatewayHints {
  /** `scheme://authority[/prefix]` that clients use for this system: the front of `base_uri`. */
  readonly publicBase: string
  /** One run of a gateway process: the way that the request came. */
  readonly gatewayRun: string
  /** The name that the gateway drew, used if the body names none. */
  readonly drawnName: string | undefined
  /** The placement whose owner's death the gateway and another process proved. */
  readonly provedDead:
    | { readonly node: string; readonly incarnation: string; readonly token: number }
    | undefined
}

export type Handler = (request: NodeRequest) => Promise<Response>

/** Handlers by operation id of the route table. */
export type Handlers = Readonly<Record<string, Handler>>
