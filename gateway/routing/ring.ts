import ConsistentHash from 'consistent-hash'

/** Where a key belongs among a set of nodes. */
export interface Ring {
  /** All nodes in the key's order: the first is its own, the next takes over when it is gone, and so on. */
  order(key: string): readonly string[]
}

/** With 512 points a node the fullest of a few nodes stays within a tenth of the mean. */
const pointsPerNode = 512

/** consistent-hash looks up a 24-bit hash of the name, shifted left by 5: points lie in the same 29 bits. */
const range = 2 ** 29

/**
 * A consistent-hash ring over node ids: a pure function of the set, so that any two gateways which see the same
 * nodes agree on every key, and losing a node moves only that node's keys.
 *
 * consistent-hash draws its control points with Math.random unless it is given some, so that two rings over the same
 * nodes disagree on most keys. And its hash of names (PJW) is poor on names that differ in a few digits. Both are
 * replaced by a hash of our own; the package keeps the points sorted and finds the nodes in order.
 */
export function createRing(nodeIds: Iterable<string>): Ring {
  const sorted = [...new Set(nodeIds)].sort()
  const ring = new ConsistentHash({ range })
  // Where two nodes share a point the later one has it: sorted, so that it is the same one everywhere.
  for (const id of sorted) ring.add(id, pointsPerNode, controlPoints(id))
  return {
    order: key => (sorted.length === 0 ? [] : (ring.get(ringName(key), sorted.length) ?? [])),
  }
}

function controlPoints(nodeId: string): number[] {
  return Array.from({ length: pointsPerNode }, (_, index) => hash32(`${nodeId}#${index}`) >>> 3)
}

/**
 * A name whose PJW hash is the upper 24 bits of our own hash. PJW shifts by four bits and adds the next character:
 * six characters with the codes 0 to 15 are exactly the hexadecimal digits of its result.
 */
function ringName(key: string): string {
  const bits = hash32(key) >>> 8
  const digits: number[] = []
  for (let shift = 20; shift >= 0; shift -= 4) digits.push((bits >>> shift) & 15)
  return String.fromCharCode(...digits)
}

/**
 * A 32-bit hash of the text's UTF-16 units: FNV-1a, and then the final mixing of MurmurHash3, since FNV alone spreads
 * the last characters badly over the upper bits.
 */
function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
