import { posix } from 'node:path'
import { type SourceFile, withoutComments } from './source-files.ts'

export interface ImportEdge {
  /** The importing file. */
  from: string
  /** A file of ours, from the root; else a package (`@scope/name`, `hono`) or `node:…`. */
  to: string
  /** `import type` / `export type`: it is gone at run time. */
  typeOnly: boolean
}

const IMPORT = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]/g

/** The package of a specifier without the path in it: `hono/proxy` is `hono`. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? specifier)
}

/** All imports and re-exports of a file, dynamic ones included. */
export function importsOf({ path, text }: SourceFile): ImportEdge[] {
  // A template may hold source text as a sample; its imports are not this file's.
  const code = withoutComments(text).replace(/`(?:\\[\s\S]|[^`\\])*`/g, '``')
  const edge = (specifier: string, typeOnly: boolean): ImportEdge => ({
    from: path,
    to: specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : packageOf(specifier),
    typeOnly,
  })
  return [
    ...[...code.matchAll(IMPORT)].map(match => edge(match[2] ?? '', match[1] !== undefined)),
    ...[...code.matchAll(DYNAMIC_IMPORT)].map(match => edge(match[1] ?? '', false)),
  ]
}

/** What `start` needs at run time, directly or through other files of ours; packages are not entered. */
export function reachable(edges: ImportEdge[], start: string): Set<string> {
  const found = new Set([start])
  for (const path of found) {
    for (const edge of edges) if (edge.from === path && !edge.typeOnly) found.add(edge.to)
  }
  return found
}
