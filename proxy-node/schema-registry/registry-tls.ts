import { readFileSync } from 'node:fs'

/** TLS towards the registry, as Node's `tls.connect` takes it. */
export interface TlsOptions {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly pfx?: Buffer
  readonly passphrase?: string
  readonly checkServerIdentity?: () => undefined
}

export interface TlsSettings {
  readonly trustStore: string
  readonly keyStore: string
  readonly keyStoreType: string
  readonly keyStorePassword: string
  /** Whether the certificate must name the host. */
  readonly checkHost: boolean
}

/**
 * Reads the files that the settings name.
 * @throws the system's error for a file that cannot be read.
 */
export function readTlsOptions(settings: TlsSettings): TlsOptions {
  const keyStore = settings.keyStore === '' ? undefined : readFileSync(settings.keyStore)
  return {
    ...(settings.trustStore === '' ? {} : { ca: readFileSync(settings.trustStore) }),
    ...(keyStore === undefined
      ? {}
      : settings.keyStoreType === 'PKCS12'
        ? { pfx: keyStore }
        : { cert: keyStore, key: keyStore }),
    ...(settings.keyStorePassword === '' ? {} : { passphrase: settings.keyStorePassword }),
    ...(settings.checkHost ? {} : { checkServerIdentity: () => undefined }),
  }
}
