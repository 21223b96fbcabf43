import { X509Certificate } from 'node:crypto'
import { readFileSync, type Stats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Clock, Timer } from '../clock.ts'
import type { Logger } from '../observability/logger.ts'
import { SettingsError } from '../settings/load.ts'
import type { TlsSettings } from '../settings/tls-settings.ts'

/** Certificate and key of an https listener, kept up to date with their files. */
export interface ListenerTls {
  /** For the creation of the server. */
  readonly serverOptions: TlsOptions
  /** End of the validity of the certificate in use, in ms since the epoch; undefined for PKCS12. */
  readonly expiresAt: number | undefined
  /** Calls `take` whenever the files have changed to something usable. */
  onReload(take: (context: SecureContextOptions) => void): void
  /** Cuts a connection whose client showed a certificate that nobody asked here would sign. */
  admit(socket: TLSSocket): void
  stop(): void
}

interface Loaded {
  readonly context: SecureContextOptions
  readonly expiresAt: number | undefined
}

/**
 * Reads the files of an https listener and watches them. The modification times are polled, since a watcher
 * misses what container platforms do (they swap a symbolic link).
 * @throws SettingsError for a kind of file that cannot be read here, and for files that are missing or do not
 * fit.
 */
export function openListenerTls(
  settings: TlsSettings,
  deps: { readonly clock: Clock; readonly log: Logger },
): ListenerTls {
  const problems = unusable(settings)
  if (problems.length > 0) throw new SettingsError(problems)
  return new WatchedTls(settings, deps)
}

class WatchedTls implements ListenerTls {
  readonly serverOptions: TlsOptions
  readonly #settings: TlsSettings
  readonly #deps: { readonly clock: Clock; readonly log: Logger }
  #loaded: Loaded
  #take: ((context: SecureContextOptions) => void)[] = []
  #timer: Timer | undefined
  #stopped = false
  /** Of the files that were loaded or tried last, and of those seen last. */
  #tried: string
  #seen: string

  constructor(settings: TlsSettings, deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#settings = settings
    this.#deps = deps
    // Looked at before they are read: a change in between is found by the first look.
    const files = filesOf(settings)
    this.#tried = files.map(file => signatureOf(statSync(file, { throwIfNoEntry: false }))).join()
    this.#seen = this.#tried
    this.#loaded = load(settings)
    this.#announce('certificate loaded')
    const authentication = settings['ssl.client.authentication']
    this.serverOptions = {
      ...this.#loaded.context,
      requestCert: authentication !== 'NONE',
      // REQUESTED lets clients without a certificate in; a bad one is refused by `admit`.
      rejectUnauthorized: authentication === 'REQUIRED',
    }
    if (settings['ssl.keystore.reload']) this.#watch()
  }

  get expiresAt(): number | undefined {
    return this.#loaded.expiresAt
  }

  onReload(take: (context: SecureContextOptions) => void): void {
    this.#take.push(take)
  }

  admit(socket: TLSSocket): void {
    if (this.#settings['ssl.client.authentication'] !== 'REQUESTED' || socket.authorized) return
    if (socket.getPeerX509Certificate() !== undefined) socket.destroy()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #watch(): void {
    const { clock } = this.#deps
    this.#timer = clock.after(this.#settings['ssl.keystore.reload.interval.ms'], () => {
      void this.#look().finally(() => {
        if (!this.#stopped) this.#watch()
      })
    })
  }

  /**
   * Certificate and key are often two files, and each is written in more than one step: a change is only
   * looked into when the files were the same at two looks in a row, and is tried once.
   */
  async #look(): Promise<void> {
    const files = filesOf(this.#settings).map(file => stat(file).catch(() => undefined))
    const now = (await Promise.all(files)).map(signatureOf).join()
    const isSettled = now === this.#seen
    this.#seen = now
    if (!isSettled || now === this.#tried) return
    this.#tried = now
    try {
      this.#loaded = load(this.#settings)
      for (const take of this.#take) take(this.#loaded.context)
      this.#announce('certificate reloaded')
    } catch (error) {
      this.#deps.log.error({ err: error }, 'the changed certificate cannot be used; the former one stays')
    }
  }

  #announce(event: string): void {
    const { log, clock } = this.#deps
    const { expiresAt } = this.#loaded
    const expires = expiresAt === undefined ? 'unknown' : new Date(expiresAt).toISOString()
    if (expiresAt !== undefined && expiresAt < clock.now())
      log.error({ expires }, `${event}, but it has expired`)
    else log.info({ expires }, event)
  }
}

/** What is wrong before any file is read. */
function unusable(settings: TlsSettings): string[] {
  const problems: string[] = []
  const keyStore = settings['ssl.keystore.location']
  if (keyStore === '') problems.push('ssl.keystore.location needs to be configured for an https listener')
  else if (settings['ssl.keystore.type'] === 'JKS')
    problems.push('ssl.keystore.type=JKS: Java keystores cannot be read; convert it to PKCS12 or PEM')
  const trustStore = settings['ssl.truststore.location']
  if (trustStore !== '' && settings['ssl.truststore.type'] === 'JKS')
    problems.push('ssl.truststore.type=JKS: Java keystores cannot be read; export the certificates as PEM')
  if (settings['ssl.client.authentication'] !== 'NONE' && trustStore === '')
    problems.push('ssl.truststore.location needs to be configured to check the certificates of clients')
  for (const version of settings['ssl.enabled.protocols'])
    if (!isVersion(version)) problems.push(`ssl.enabled.protocols=${version}: must be TLSv1.2 or TLSv1.3`)
  if (settings['ssl.enabled.protocols'].length === 0)
    problems.push('ssl.enabled.protocols: must be TLSv1.2, TLSv1.3 or both')
  return problems
}

const isVersion = (text: string): text is 'TLSv1.2' | 'TLSv1.3' => text === 'TLSv1.2' || text === 'TLSv1.3'

function filesOf(settings: TlsSettings): string[] {
  const files = [
    settings['ssl.keystore.location'],
    settings['ssl.key.location'],
    settings['ssl.truststore.location'],
  ]
  return files.filter(file => file !== '')
}

/** @throws SettingsError that names the file, or what does not fit. */
function load(settings: TlsSettings): Loaded {
  const read = (key: 'ssl.keystore.location' | 'ssl.key.location' | 'ssl.truststore.location') => {
    try {
      return readFileSync(settings[key])
    } catch (error) {
      throw new SettingsError([`${key}=${settings[key]}: ${reason(error)}`])
    }
  }
  const keyStore = read('ssl.keystore.location')
  const isPem = settings['ssl.keystore.type'] === 'PEM'
  const key = settings['ssl.key.location'] === '' ? keyStore : read('ssl.key.location')
  const passphrase = settings[isPem ? 'ssl.key.password' : 'ssl.keystore.password']
  const versions = settings['ssl.enabled.protocols'].filter(isVersion).sort()
  const ciphers = settings['ssl.cipher.suites']
  const [minVersion, maxVersion] = [versions[0], versions.at(-1)]
  const context: SecureContextOptions = {
    ...(isPem ? { cert: keyStore, key } : { pfx: keyStore }),
    ...(passphrase === '' ? {} : { passphrase }),
    ...(settings['ssl.truststore.location'] === '' ? {} : { ca: read('ssl.truststore.location') }),
    ...(minVersion && maxVersion ? { minVersion, maxVersion } : {}),
    ...(ciphers.length > 0 ? { ciphers: ciphers.join(':') } : {}),
    honorCipherOrder: true,
  }
  const check = (key: keyof TlsSettings, run: () => void) => {
    try {
      run()
    } catch (error) {
      throw new SettingsError([`${key}=${settings[key]}: ${reason(error)}`])
    }
  }
  if (ciphers.length > 0)
    check('ssl.cipher.suites', () => createSecureContext({ ciphers: ciphers.join(':') }))
  // OpenSSL passes over what is no certificate.
  if (context.ca) check('ssl.truststore.location', () => new X509Certificate(read('ssl.truststore.location')))
  check('ssl.keystore.location', () => createSecureContext(context))
  return { context, expiresAt: isPem ? new X509Certificate(keyStore).validToDate.getTime() : undefined }
}

function signatureOf(found: Stats | undefined): string {
  return found ? `${found.ino} ${found.size} ${found.mtimeMs}` : 'missing'
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))
