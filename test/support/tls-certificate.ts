import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Files of a self-signed certificate, and a PEM file that holds both. */
export interface TestCertificate {
  readonly certificate: string
  readonly key: string
}

/** Makes a self-signed certificate for `host` with openssl, good for a day. */
export function makeCertificate(host: string): TestCertificate {
  const dir = mkdtempSync(join(tmpdir(), 'kafka-rest-tls-'))
  const files = { certificate: join(dir, 'certificate.pem'), key: join(dir, 'key.pem') }
  const name = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`
  const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=${name}`]
  const where = ['-keyout', files.key, '-out', files.certificate]
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...subject, ...where],
    {
      stdio: 'ignore',
    },
  )
  return files
}
