import type { Handlers } from '../handler.ts'
import type { BaseUriSettings } from './base-uri.ts'
import { assign, getAssignments } from './consumers-assignments.ts'
import { createConsumer, deleteConsumer } from './consumers-instances.ts'
import { answering } from './consumers-lookup.ts'
import { commitOffsets, getCommittedOffsets } from './consumers-offsets.ts'
import { seekToEnd, seekToOffset } from './consumers-positions.ts'
import { consume, type RecordsHandlerDeps } from './consumers-records.ts'
import { getSubscription, subscribe, unsubscribe } from './consumers-subscription.ts'

/** The handlers of all consumer endpoints, by operation id. */
export function consumerHandlers(deps: RecordsHandlerDeps, baseUri: BaseUriSettings): Handlers {
  return {
    'consumers.create': answering(createConsumer(deps, baseUri)),
    'consumers.delete': answering(deleteConsumer(deps)),
    'consumers.subscribe': answering(subscribe(deps)),
    'consumers.get-subscription': answering(getSubscription(deps)),
    'consumers.unsubscribe': answering(unsubscribe(deps)),
    'consumers.assign': answering(assign(deps)),
    'consumers.get-assignments': answering(getAssignments(deps)),
    'consumers.seek-to-offset': answering(seekToOffset(deps)),
    'consumers.seek-to-beginning': answering(seekToEnd(deps, 'earliest')),
    'consumers.seek-to-end': answering(seekToEnd(deps, 'latest')),
    'consumers.consume': answering(consume(deps)),
    'consumers.commit-offsets': answering(commitOffsets(deps)),
    'consumers.get-committed-offsets': answering(getCommittedOffsets(deps)),
  }
}
