import { corsSettings } from '../shared/http/cors.ts'
import type { SettingRow, SettingsOf } from '../shared/settings/row.ts'
import {
  listenerSettings,
  logSettings,
  operatorSettings,
  redisSettings,
} from '../shared/settings/tier-settings.ts'
import { nodeTlsSettings, tlsSettings } from '../shared/settings/tls-settings.ts'

/** Every setting of a gateway. Nothing here needs to be equal on all gateways except where the text says so. */
export const gatewaySettings = [
  // -- identity and addresses
  {
    key: 'id',
    kind: 'string',
    default: '',
    doc: 'Name of this gateway: a part of the instance names that it draws, and of its log lines. May be empty and need not be unique.',
  },
  {
    key: 'listeners',
    kind: 'list',
    default: 'http://127.0.0.1:8082',
    doc: 'The address that clients talk to, http(s)://host:port. An address other than loopback needs internal.token.',
  },
  {
    key: 'admin.listener',
    kind: 'url',
    default: 'http://127.0.0.1:8092',
    doc: 'Address of /health, /ready and /metrics, and of the routes of operators. Empty: none.',
  },
  ...operatorSettings,
  {
    key: 'admin.node.timeout.ms',
    kind: 'int',
    default: '10000',
    min: 1,
    doc: "Longest wait for a proxy node's answer to an operator's request, in ms. To evict an instance takes as long as it needs to leave its group.",
  },
  {
    key: 'public.url',
    kind: 'url',
    default: '',
    doc: 'What clients call this system, http(s)://host[:port][/prefix]: the front of every base_uri. Empty: taken from the forwarded headers of trusted peers, else from Host.',
  },
  {
    key: 'forwarded.trusted',
    kind: 'list',
    default: '',
    doc: 'Addresses (CIDR) of the balancers whose Forwarded or X-Forwarded-* headers are believed. Read from the right; it stops at the first address that is not in the list.',
  },
  {
    key: 'zone',
    kind: 'string',
    default: '',
    doc: 'Data center or zone of this gateway. Proxy nodes of the same zone are preferred; others serve when it has none available.',
  },
  ...logSettings,

  // -- routing table and the tiers' trust
  {
    key: 'redis.url',
    kind: 'url',
    default: '',
    secret: true,
    doc: 'Routing table: redis:// or rediss:// URL. Empty: there is none, and `nodes` lists the proxy nodes.',
  },
  ...redisSettings,
  {
    key: 'internal.token',
    kind: 'string',
    default: '',
    secret: true,
    doc: 'Shared secret of gateways and nodes. Without it nodes ignore what a gateway tells them. Needed for listeners other than loopback, of 16 characters at least.',
  },
  {
    key: 'nodes',
    kind: 'list',
    default: '',
    doc: 'Proxy nodes that are known without the routing table, id=http(s)://host:port, comma-separated. Used while the table cannot be read or knows of no node.',
  },
  {
    key: 'nodes.allowed',
    kind: 'list',
    default: '',
    doc: 'Hosts that proxy nodes registered in the routing table may have: names, *.suffixes, or addresses (CIDR). Empty: any. Others are skipped and counted.',
  },
  {
    key: 'nodes.refused.is.dead',
    kind: 'boolean',
    default: 'true',
    doc: 'Whether a refused connection to the internal.url of a node proves that its process is gone. Set to false where that address belongs to a service, NAT or balancer; the lease decides then.',
  },
  {
    key: 'lease.ms',
    kind: 'int',
    default: '5000',
    min: 500,
    doc: 'The lease of the proxy nodes, in ms: how long nodes are still believed in after the routing table was away. The same value as on the nodes.',
  },
  {
    key: 'members.refresh.interval.ms',
    kind: 'int',
    default: '1000',
    min: 50,
    doc: 'How often the list of proxy nodes is read from the routing table, in ms.',
  },
  {
    key: 'placements.cache.max',
    kind: 'int',
    default: '100000',
    min: 1,
    doc: 'Placements of consumer instances that are remembered (about 300 bytes each). A forgotten one costs one look-up.',
  },
  {
    key: 'placement.load.percent',
    kind: 'int',
    default: '125',
    min: 100,
    doc: 'A node with more than this share of the mean number of consumer instances is passed over for new ones. Smaller is more even.',
  },

  // -- requests to proxy nodes
  {
    key: 'node.connect.timeout.ms',
    kind: 'int',
    default: '1000',
    min: 1,
    doc: 'Longest wait for a connection to a proxy node, in ms; then another node is tried where that is right.',
  },
  {
    key: 'node.response.timeout.ms',
    kind: 'int',
    default: '190000',
    min: 1,
    doc: 'Longest wait for the head of an answer, in ms; then 504. Longer than the longest produce (producer.max.block.ms + producer.delivery.timeout.ms at worst) and the longest read.',
  },
  {
    key: 'node.body.timeout.ms',
    kind: 'int',
    default: '120000',
    min: 1,
    doc: 'Longest pause within the body of an answer, in ms; then the answer is cut short.',
  },
  {
    key: 'node.connection.idle.timeout.ms',
    kind: 'int',
    default: '8000',
    min: 1,
    doc: 'How long an idle connection to a proxy node is kept, in ms. Shorter than the nodes keep theirs (75 s), and than they wait for a first head (request.head.timeout.ms, 10 s): a connection whose client left in time was never used.',
  },
  {
    key: 'node.requests.max',
    kind: 'int',
    default: '10000',
    min: 1,
    doc: 'Requests in flight to one proxy node; each has a connection of its own. A node with that many counts as full.',
  },
  {
    key: 'node.attempts.max',
    kind: 'int',
    default: '3',
    min: 1,
    doc: 'How many nodes one request is offered to, when it could not be sent or is safe to repeat.',
  },
  {
    key: 'node.failures.max',
    kind: 'int',
    default: '5',
    min: 1,
    doc: 'Failures in a row after which a node is left out for a while; never the last one.',
  },
  {
    key: 'node.pause.ms',
    kind: 'int',
    default: '1000',
    min: 1,
    doc: 'How long a failing node is left out, in ms (with up to half of it added at random).',
  },
  {
    key: 'node.question.timeout.ms',
    kind: 'int',
    default: '200',
    min: 1,
    doc: 'Longest wait for the answer to a question between processes (who are you, do you hold it, is it dead), in ms.',
  },
  {
    key: 'takeover.timeout.ms',
    kind: 'int',
    default: '5000',
    min: 1,
    doc: 'Longest wait for a node to take over a consumer instance whose node is gone, in ms; after it another node is asked. Also for a node that is handing one over to confirm news of its reads.',
  },

  // -- requests of clients and their limits
  {
    key: 'request.body.max.bytes',
    kind: 'int',
    default: '67108864',
    min: 1,
    doc: 'Largest request body in bytes; more is 413. It streams: the gateway does not hold it.',
  },
  {
    key: 'request.body.held.bytes',
    kind: 'int',
    default: '65536',
    min: 0,
    doc: 'Bodies of consumer requests up to this size are held until the answer begins, so that the request can be sent once more when its consumer has moved.',
  },
  ...listenerSettings,
  {
    key: 'request.json.depth.max',
    kind: 'int',
    default: '256',
    min: 1,
    doc: 'Nesting levels of a create body that is searched for a name; deeper ones go to any node, which answers the error. The same value as on the nodes.',
  },
  {
    key: 'response.write.timeout.ms',
    kind: 'int',
    default: '30000',
    min: 1,
    doc: 'How long a client may take no bytes of an answer before its connection is closed, in ms.',
  },
  {
    key: 'connection.idle.timeout.ms',
    kind: 'int',
    default: '75000',
    min: 1000,
    doc: 'How long an idle connection of a client is kept, in ms. Longer than a balancer in front keeps its own.',
  },
  {
    key: 'read.outcome.quiet.ms',
    kind: 'int',
    default: '100',
    min: 0,
    doc: 'An answer to a read counts as received when its connection shows no reset for this long after the last byte, in ms (or at once with the next request or an orderly end).',
  },
  {
    key: 'read.outcome.linger.ms',
    kind: 'int',
    default: '2000',
    min: 0,
    doc: 'How long a client may take to end a connection that closes with the answer to a read, in ms. If it does not, the answer counts as not received, and its records are handed out again.',
  },

  ...tlsSettings,
  ...nodeTlsSettings,
  ...corsSettings,

  // -- stop
  {
    key: 'drain.delay.ms',
    kind: 'int',
    default: '0',
    min: 0,
    doc: 'How long a stopping gateway still takes requests while /ready says 503, in ms. Behind a balancer: longer than its check interval times its failures to mark down.',
  },
] as const satisfies readonly SettingRow[]

export type GatewaySettings = SettingsOf<typeof gatewaySettings>
