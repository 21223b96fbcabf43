import type { HttpEnv } from '../../../shared/http/listen.ts'

/** A request to a path outside the route table, which may be one of the routes between processes. */
export interface InternalRequest {
  /** The raw request target. */
  readonly target: string
  readonly env: HttpEnv
  /** Whether it carries the internal token; without it internal routes do not exist. */
  readonly trusted: boolean
  body(): Promise<Buffer>
}

/** Answers an internal route; undefined when the target is none, or the request is not trusted. */
export type InternalHandler = (request: InternalRequest) => Promise<Response | undefined>
