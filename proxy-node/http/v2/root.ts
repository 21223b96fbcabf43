import { type JsonLimits, parseJsonBody } from '../../../shared/rest/json-body.ts'
import { asObject, string } from '../../../shared/rest/v2-shapes.ts'
import type { Handlers } from '../handler.ts'
import { jsonAnswer } from './json-answer.ts'

/** `GET /` and `POST /`: signs of life (contract v2 §2.1). */
export function rootHandlers(limits: JsonLimits): Handlers {
  return {
    'root.get': async request => jsonAnswer(request, {}),
    'root.post': async request => {
      const body = parseJsonBody(await request.body(), limits)
      // A map of strings, or nothing; read so that what the original refuses is refused.
      if (body && body.value !== null) {
        for (const value of Object.values(asObject(body.value, 'LinkedHashMap<Object,Object>'))) string(value)
      }
      return jsonAnswer(request, {})
    },
  }
}
