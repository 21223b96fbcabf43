import type { SettingRow, SettingsOf } from './row.ts'

/**
 * Settings of an https listener (contract v2 §5.3). Each table that listens spreads them. Java's own stores
 * cannot be read here; PEM can, which the original takes as well.
 */
export const tlsSettings = [
  {
    key: 'ssl.keystore.location',
    kind: 'string',
    default: '',
    doc: 'File with the certificate chain (its own certificate first) and the private key of an https listener.',
  },
  {
    key: 'ssl.keystore.type',
    kind: 'enum',
    default: 'JKS',
    oneOf: ['JKS', 'PKCS12', 'PEM'],
    doc: "Kind of ssl.keystore.location. PEM or PKCS12; JKS is the original's default and is refused: `keytool -importkeystore -deststoretype PKCS12` converts it.",
  },
  {
    key: 'ssl.keystore.password',
    kind: 'string',
    default: '',
    secret: true,
    doc: 'Password of a PKCS12 keystore.',
  },
  {
    key: 'ssl.key.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with the private key, when it is not in ssl.keystore.location.',
  },
  {
    key: 'ssl.key.password',
    kind: 'string',
    default: '',
    secret: true,
    doc: 'Password of an encrypted private key in PEM.',
  },
  {
    key: 'ssl.keystore.reload',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether changed files are taken over for new connections, without touching open ones. A file that cannot be used is logged, and the former stays. (The original has false.)',
  },
  {
    key: 'ssl.keystore.reload.interval.ms',
    kind: 'int',
    default: '1000',
    min: 10,
    doc: 'How often the files are looked at, in ms. A change is taken over when it has stood still for one interval.',
  },
  {
    key: 'ssl.client.authentication',
    kind: 'enum',
    default: 'NONE',
    oneOf: ['NONE', 'REQUESTED', 'REQUIRED'],
    doc: 'Certificates of clients: not asked for, checked if the client has one, or needed. The last two need ssl.truststore.location.',
  },
  {
    key: 'ssl.truststore.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with the authorities that certificates of clients must come from.',
  },
  {
    key: 'ssl.truststore.type',
    kind: 'enum',
    default: 'JKS',
    oneOf: ['JKS', 'PEM'],
    doc: "Kind of ssl.truststore.location: PEM. JKS is the original's default and is refused.",
  },
  {
    key: 'ssl.enabled.protocols',
    kind: 'list',
    default: 'TLSv1.2,TLSv1.3',
    doc: 'TLS versions of the https listener: TLSv1.2, TLSv1.3 or both.',
  },
  {
    key: 'ssl.cipher.suites',
    kind: 'list',
    default: '',
    doc: 'Cipher suites of the https listener, in the names of OpenSSL. Empty: those of the runtime.',
  },
] as const satisfies readonly SettingRow[]

export type TlsSettings = SettingsOf<typeof tlsSettings>

/** TLS towards proxy nodes whose urls are https: requests of gateways, and questions between the processes. */
export const nodeTlsSettings = [
  {
    key: 'nodes.ssl.ca.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with the authorities that the certificates of proxy nodes with https urls must come from. Empty: those of the runtime. Certificates are always checked, names as well.',
  },
  {
    key: 'nodes.ssl.certificate.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with a certificate of our own, for proxy nodes that ask for one (ssl.client.authentication).',
  },
  {
    key: 'nodes.ssl.key.location',
    kind: 'string',
    default: '',
    doc: 'PEM file with the private key of nodes.ssl.certificate.location.',
  },
] as const satisfies readonly SettingRow[]

export type NodeTlsSettings = SettingsOf<typeof nodeTlsSettings>
