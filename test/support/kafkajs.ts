import kafkajs from 'kafkajs'
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

/**
 * After each answer kafkajs 2.2.4 sets a timer whose delay is computed from "never throttled" = −1, and Node 24 warns
 * of the large negative number. Without waiting requests there is nothing to look for, so then there is no timer: what
 * the proxy node does for its own connections, here for the foreign clients of the tests.
 */
const schedule = RequestQueue.prototype.scheduleCheckPendingRequests
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0) schedule.call(this)
}

/** kafkajs as tests use it: a client that is not ours. */
export const Kafka = kafkajs.Kafka
export const logLevel = kafkajs.logLevel
