import { RestError } from '../../shared/errors/rest-error.ts'
import { drawInstanceName, instanceNameProblem } from '../../shared/ids.ts'
import type { CreateConsumerBody } from '../../shared/rest/v2-consumer-shapes.ts'

/**
 * The name of an instance that is to be created: the client's, else the one that a gateway drew, else one of our own
 * (contract v2 §2.9).
 * @param processId the node's own `id`, part of the names that it draws; may be empty.
 * @throws RestError validation for a name that is refused.
 */
export function instanceNameOf(
  body: CreateConsumerBody,
  drawnName: string | undefined,
  processId: string,
): string {
  const given = body.id ?? body.name
  if (given === null) return drawnName ?? drawInstanceName(processId)
  if (given.trim() === '')
    throw new RestError(
      'validation',
      `createGroup.<return value>.instanceId must not be blank (was ${given})`,
    )
  const problem = instanceNameProblem(given)
  const field = body.id === null ? 'name' : 'id'
  if (problem !== undefined) throw new RestError('validation', `createGroup.arg2.${field} ${problem}`)
  return given
}

/** Longest group name in bytes; with it every key of a placement fits where gateways and nodes name it. */
const groupNameBytesMax = 1000

/**
 * A group becomes a segment of `base_uri`, and HTTP clients would fold `.` and `..` away.
 * @throws RestError validation.
 */
export function checkGroupName(group: string): void {
  if (Buffer.byteLength(group) > groupNameBytesMax)
    throw new RestError('validation', `createGroup.arg1 must not be longer than ${groupNameBytesMax} bytes`)
  if (group === '.' || group === '..')
    throw new RestError('validation', `createGroup.arg1 must not be "." or ".." (was ${group})`)
}
