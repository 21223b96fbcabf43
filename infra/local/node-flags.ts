/**
 * How Node is started for a gateway or a proxy node; package.json and the Dockerfiles have the same. Node sizes its heap
 * by the memory of the machine, and lets garbage grow to several times what is alive: a node under load then holds
 * over 400 MB, and under 256 MB with these. What they cost, and when to choose otherwise: docs/benchmarks.md.
 */
export const NODE_FLAGS = [
  // The young generation takes twice this at most, in MB (by default 128 MB on a large machine).
  '--max-semi-space-size=16',
  // The old generation is collected when it is half as large again as what was alive (by default up to four times).
  '--heap-growing-percent=50',
] as const
