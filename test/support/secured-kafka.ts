import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../infra/local/free-port.ts'
import type { LocalKafka } from '../../infra/local/kafka.ts'
import { runJava } from './java-client.ts'
import { createTopic } from './kafka-topics.ts'
import { newTestDir, startPrivateKafka, uniqueName } from './services.ts'
import { makeCertificate } from './tls-certificate.ts'

const security = 'org.apache.kafka.common.security'
const unsecured = `${security}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`

export const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const
export type Mechanism = (typeof mechanisms)[number]

/**
 * Who may do what with `topic` and with groups whose names begin with it. Nobody may do anything else but `all`, who may
 * do everything.
 */
const grants = {
  all: [],
  writer: ['topic WRITE'],
  reader: ['topic READ', 'group READ'],
  describer: ['topic DESCRIBE', 'topic DESCRIBE_CONFIGS'],
  /** Sees the topic, may be in the group, and may not read. */
  seer: ['topic DESCRIBE', 'group READ'],
  /** May read, and be in no group. */
  groupless: ['topic READ'],
  nobody: [],
} as const
export type User = keyof typeof grants

/** The password of every user, with PLAIN and SCRAM. */
export const password = 'hush "4" users'

/** A broker with a SASL_SSL listener and ACLs, of one test's own. Stop it in `afterAll`. */
export class SecuredKafka {
  readonly topic: string
  readonly #kafka: LocalKafka
  readonly #address: string
  readonly #certificate: string

  private constructor(kafka: LocalKafka, listener: { address: string; certificate: string }, topic: string) {
    this.#kafka = kafka
    this.#address = listener.address
    this.#certificate = listener.certificate
    this.topic = topic
  }

  static async start(): Promise<SecuredKafka> {
    const { certificate, key } = makeCertificate('127.0.0.1')
    const store = join(newTestDir('tls'), 'both.pem')
    writeFileSync(store, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
    const port = await freePort()
    const kafka = await startPrivateKafka({
      extraListeners: [{ name: 'SECURE', protocol: 'SASL_SSL', port }],
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:all',
        'listener.name.secure.sasl.enabled.mechanisms': mechanisms.join(','),
        'listener.name.secure.plain.sasl.jaas.config': plainUsers(),
        'listener.name.secure.scram-sha-256.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
        'listener.name.secure.scram-sha-512.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
        'listener.name.secure.oauthbearer.sasl.jaas.config': `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
        'listener.name.secure.oauthbearer.sasl.server.callback.handler.class': unsecured,
        'listener.name.secure.ssl.keystore.type': 'PEM',
        'listener.name.secure.ssl.keystore.location': store,
      },
    })
    const topic = uniqueName('secured')
    try {
      await createTopic(kafka.address, topic)
      await runJava('Grants', javaGrants, { args: [kafka.address, topic], input: grantLines() })
    } catch (error) {
      await kafka.stop()
      throw error
    }
    return new SecuredKafka(kafka, { address: `127.0.0.1:${port}`, certificate }, topic)
  }

  /** Where the brokers are, and how every client talks to them: what the prefixes below only add a user to. */
  get settings(): Record<string, string> {
    return {
      'bootstrap.servers': this.#address,
      'client.security.protocol': 'SASL_SSL',
      'client.ssl.truststore.type': 'PEM',
      'client.ssl.truststore.location': this.#certificate,
    }
  }

  /** The keys that log a client in. */
  login(
    prefix: 'client' | 'producer' | 'consumer' | 'admin',
    user: User,
    { mechanism = 'PLAIN' as Mechanism, secret = password } = {},
  ): Record<string, string> {
    return {
      [`${prefix}.sasl.mechanism`]: mechanism,
      [`${prefix}.sasl.jaas.config`]: jaasOf(mechanism, user, secret),
    }
  }

  async stop(): Promise<void> {
    await this.#kafka.stop()
  }
}

const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

function plainUsers(): string {
  const users = Object.keys(grants).map(user => `user_${user}=${quoted(password)}`)
  return `${security}.plain.PlainLoginModule required ${users.join(' ')};`
}

function jaasOf(mechanism: Mechanism, user: string, secret: string): string {
  if (mechanism === 'OAUTHBEARER')
    return `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="${user}";`
  const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule'
  return `${security}.${module} required username="${user}" password=${quoted(secret)};`
}

function grantLines(): string {
  const lines = Object.entries(grants).flatMap(([user, rights]) => [
    `user ${user} ${password}`,
    ...rights.map(right => `grant ${user} ${right}`),
  ])
  return lines.join('\n')
}

const javaGrants = `
import java.io.*;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.resource.*;
public class Grants {
  public static void main(String[] args) throws Exception {
    List<AclBinding> acls = new ArrayList<>();
    Map<ScramMechanism, List<UserScramCredentialAlteration>> users = new HashMap<>();
    for (String line : new BufferedReader(new InputStreamReader(System.in)).lines().collect(Collectors.toList())) {
      String[] words = line.split(" ", line.startsWith("user") ? 3 : 4);
      if (words[0].equals("user")) {
        for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512))
          users.computeIfAbsent(mechanism, any -> new ArrayList<>()).add(new UserScramCredentialUpsertion(words[1], new ScramCredentialInfo(mechanism, 4096), words[2]));
      } else {
        boolean topic = words[2].equals("topic");
        ResourcePattern resource = new ResourcePattern(topic ? ResourceType.TOPIC : ResourceType.GROUP, args[1],
            topic ? PatternType.LITERAL : PatternType.PREFIXED);
        acls.add(new AclBinding(resource, new AccessControlEntry("User:" + words[1], "*",
            AclOperation.fromString(words[3]), AclPermissionType.ALLOW)));
      }
    }
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      // A user may occur once in a request.
      for (var each : users.values()) admin.alterUserScramCredentials(each).all().get();
      admin.createAcls(acls).all().get();
    }
  }
}
`
