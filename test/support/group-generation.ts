import { Connection, describeGroupsV5, heartbeatV4, ResponseError } from '@platformatic/kafka'

const generationsMax = 1000
const illegalGeneration = 22

/**
 * The generation of a classic consumer group, which grows with each rebalance. No call tells it to strangers, so a
 * heartbeat of one of its members is tried with each number: the broker refuses all but the right one.
 * @param broker of a cluster with one broker, which coordinates all groups.
 */
export async function groupGeneration(broker: string, group: string): Promise<number> {
  const [host = '', port = ''] = broker.split(':')
  const connection = new Connection('test-generation')
  await connection.connect(host, Number(port))
  try {
    const described = await describeGroupsV5.api.async(connection, [group], false)
    const member = described.groups[0]?.members[0]
    if (!member) throw new Error(`group ${group} has no member`)
    for (let generation = 0; generation < generationsMax; generation++) {
      const { memberId, groupInstanceId } = member
      if (await isGeneration(connection, { group, generation, memberId, groupInstanceId })) return generation
    }
    throw new Error(`group ${group} is at none of ${generationsMax} generations`)
  } finally {
    await connection.close()
  }
}

async function isGeneration(
  connection: Connection,
  beat: { group: string; generation: number; memberId: string; groupInstanceId?: string | null | undefined },
): Promise<boolean> {
  const { group, generation, memberId, groupInstanceId } = beat
  try {
    await heartbeatV4.api.async(connection, group, generation, memberId, groupInstanceId)
    return true
  } catch (error) {
    const codes = error instanceof ResponseError ? error.errors : []
    if (codes.some(cause => 'apiCode' in cause && cause.apiCode === illegalGeneration)) return false
    throw error
  }
}
