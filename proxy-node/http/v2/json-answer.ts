import type { NodeRequest } from '../handler.ts'

/** 200 with a JSON body of the negotiated type. */
export function jsonAnswer(request: NodeRequest, body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { 'Content-Type': request.contentTypeHeader } })
}
