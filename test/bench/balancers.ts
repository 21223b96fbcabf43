import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SetupContext } from '../../infra/local/cache.ts'
import { debianCommand } from '../../infra/local/debian-package.ts'
import { freePort } from '../../infra/local/free-port.ts'
import { startPart } from '../../infra/local/part-process.ts'
import type { Part } from '../../infra/local/running-parts.ts'
import { startHaproxyProcess, untilItForwards } from '../support/haproxy.ts'

/** A well-known proxy in front of one node: what the gateway is held against. One process, one thread, as a gateway. */
export interface Balancer extends Part {
  readonly name: string
  readonly port: number
}

export interface BalancerOptions extends SetupContext {
  /** Folder for configuration and logs. */
  readonly dir: string
  readonly pidDir: string
  /** `host:port` of the node. */
  readonly node: string
}

/** HAProxy also answers some requests itself: that is how fast the load generator can go. */
export interface HaproxyBalancer extends Balancer {
  /** Every request to this port gets an answer of the length of a produce's. */
  readonly echoPort: number
}

/** Both write one line for each request, as the gateway does. */
const haproxyRoutes = (node: string, port: number, echoPort: number): string => `frontend data
  bind 127.0.0.1:${port}
  default_backend node
backend node
  server node ${node}
frontend echo
  bind 127.0.0.1:${echoPort}
  http-request return status 200 content-type application/json string "{${'"offsets":[],'.repeat(50)}}"`

const nginxConfig = (node: string, port: number): string => `daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 4000; }
http {
  access_log access.log;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 64m;
  keepalive_requests 1000000000;
  upstream node { server ${node}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://node;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_read_timeout 180s;
    }
  }
}
`

/** Starts HAProxy; installs Debian's package when it is missing and we are root. @throws SetupError. */
export async function startHaproxy(options: BalancerOptions): Promise<HaproxyBalancer> {
  const [port, echoPort] = [await freePort(), await freePort()]
  const process = await startHaproxyProcess({
    ...options,
    dir: join(options.dir, 'haproxy'),
    port,
    global: ['nbthread 1'],
    defaults: ['http-reuse always'],
    routes: haproxyRoutes(options.node, port, echoPort),
  })
  return { name: 'HAProxy', port, echoPort, process, stop: () => process.stop() }
}

/** Starts nginx; installs Debian's package when it is missing and we are root. @throws SetupError. */
export async function startNginx(options: BalancerOptions): Promise<Balancer> {
  const { pidDir, node, signal } = options
  const command = await debianCommand('nginx', 'nginx-light', options)
  const port = await freePort()
  const dir = join(options.dir, 'nginx')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'nginx.conf'), nginxConfig(node, port))
  const args = ['-p', dir, '-c', 'nginx.conf', '-e', 'error.log']
  const logFile = join(dir, 'output.log')
  const started = await startPart({ name: 'nginx', command, args, logFile, cwd: dir, pidDir })
  const process = await untilItForwards(started, port, signal)
  return { name: 'nginx', port, process, stop: () => process.stop() }
}
