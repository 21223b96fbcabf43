/** The part of consistent-hash 1.2.2 that ring.ts uses; the package carries no types. */
declare module 'consistent-hash' {
  export default class ConsistentHash {
    constructor(options: { range: number })
    /** Adds a node with the given control points, each in [0, range). */
    add(node: string, count: number, points: number[]): this
    /** The first `count` distinct nodes at and after the name's point; null without nodes. */
    get(name: string, count: number): string[] | null
  }
}
