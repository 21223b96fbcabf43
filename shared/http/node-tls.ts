import { readFileSync } from 'node:fs'
import { SettingsError } from '../settings/load.ts'
import type { NodeTlsSettings } from '../settings/tls-settings.ts'

/** TLS towards proxy nodes, as Node's `tls.connect` takes it. Nothing switches the checks off. */
export interface NodeTls {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/**
 * Reads the files that the settings name.
 * @throws SettingsError for a file that cannot be read, and for one of two that need each other.
 */
export function readNodeTls(settings: NodeTlsSettings): NodeTls {
  const [cert, key] = [settings['nodes.ssl.certificate.location'], settings['nodes.ssl.key.location']]
  if ((cert === '') !== (key === ''))
    throw new SettingsError(['nodes.ssl.certificate.location and nodes.ssl.key.location need each other'])
  const ca = settings['nodes.ssl.ca.location']
  return {
    ...(ca === '' ? {} : { ca: fileOf('nodes.ssl.ca.location', ca) }),
    ...(cert === '' ? {} : { cert: fileOf('nodes.ssl.certificate.location', cert) }),
    ...(key === '' ? {} : { key: fileOf('nodes.ssl.key.location', key) }),
  }
}

function fileOf(setting: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new SettingsError([`${setting}=${path}: cannot be read (${code})`])
  }
}
