import type { CachingRegistryOptions } from '../../proxy-node/schema-registry/caching-registry.ts'
import type { HttpRegistryOptions } from '../../proxy-node/schema-registry/http-registry.ts'

/** The settings' defaults, for tests that build the client themselves. */
export function httpRegistryOptions(
  urls: readonly string[],
  changes: Partial<HttpRegistryOptions> = {},
): HttpRegistryOptions {
  return {
    urls,
    authorization: undefined,
    tls: {},
    connectTimeoutMs: 1000,
    callTimeoutMs: 1500,
    retriesMax: 3,
    retryWaitMs: 50,
    callsMax: 64,
    answerBytesMax: 1 << 20,
    ...changes,
  }
}

export const cachingRegistryOptions: CachingRegistryOptions = {
  entriesMax: 1000,
  charsMax: 1 << 25,
  subjectFreshMs: 300_000,
  missingFreshMs: 1000,
}

export const noObserver = { hit: () => undefined, miss: () => undefined }
