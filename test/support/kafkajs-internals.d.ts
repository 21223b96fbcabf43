/** The part of kafkajs 2.2.4 that test/support/kafkajs.ts mends; the package does not type it. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    readonly pending: readonly unknown[]
    scheduleCheckPendingRequests(): void
  }
}
