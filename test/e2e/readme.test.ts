import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT_DIR } from '../../infra/local/cache.ts'
import type { LocalTier } from '../../infra/local/tier.ts'
import { sessionSteps } from '../support/console-session.ts'
import { newDeployment, startGateway, startNode } from '../support/processes.ts'
import { schemaRegistryUrl } from '../support/services.ts'

/**
 * The README's sessions, word for word, on a gateway and two nodes as processes. Its addresses are those of
 * `npm start`; here the parts are elsewhere, so addresses are exchanged in the commands and back in the outputs.
 */
let gateway: LocalTier
const nodes: LocalTier[] = []

beforeAll(async () => {
  const deployment = newDeployment()
  // A registry that has just started takes seconds for the first schema of a type on a busy machine.
  const registry = {
    'schema.registry.url': schemaRegistryUrl(),
    'schema.registry.http.read.timeout.ms': '30000',
  }
  for (const id of ['node-1', 'node-2']) nodes.push(await startNode(deployment, id, registry))
  gateway = await startGateway(deployment, '')
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all(nodes.map(node => node.stop()))
})

test('the sessions of the README print what it says', async () => {
  const steps = sessionSteps(readFileSync(join(ROOT_DIR, 'README.md'), 'utf8')).filter(step =>
    step.command.startsWith('curl'),
  )
  expect(steps.length).toBeGreaterThan(8)
  for (const { command, output } of steps) {
    const here = command.replaceAll('localhost:8082', gateway.address)
    let printed = await run(here)
    // On a busy machine a group may need longer than one read waits.
    for (let again = 0; printed === '[]' && output.startsWith('[{') && again < 20; again++)
      printed = await run(here)
    expect(withoutIds(printed), command).toBe(withoutIds(output.trimEnd()))
  }
})

async function run(command: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-c', command])
  return stdout.replaceAll(gateway.address, 'localhost:8082').trimEnd()
}

/** Drawn names differ in each run. */
const withoutIds = (text: string): string =>
  text.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
