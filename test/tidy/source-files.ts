import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT_DIR } from '../../infra/local/cache.ts'

export interface SourceFile {
  /** Path from the repository's root, with `/`. */
  path: string
  text: string
}

const SOURCE_DIRS = ['gateway', 'proxy-node', 'shared', 'infra', 'test', 'docs', '.ci']
const TEXT_ENDINGS = /\.(ts|mjs|js|json|md|yml|yaml|toml|sh|py|java|proto|properties|conf|cfg|sql|txt)$/
const TEXT_NAMES = /(^|\/)([\w.-]*Dockerfile|run|\.gitignore|\.npmrc|\.dockerignore)$/

const isText = (path: string): boolean => TEXT_ENDINGS.test(path) || TEXT_NAMES.test(path)

function walk(dir: string): string[] {
  return readdirSync(join(ROOT_DIR, dir), { withFileTypes: true }).flatMap(entry => {
    const path = `${dir}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : walk(path)
    return entry.isFile() && isText(path) ? [path] : []
  })
}

/** Every text file of ours: the source folders, and the files in the root but for the lock file. */
export function readSourceFiles(): SourceFile[] {
  const root = readdirSync(ROOT_DIR, { withFileTypes: true })
  const inRoot = root.filter(entry => entry.isFile() && isText(entry.name)).map(entry => entry.name)
  const dirs = SOURCE_DIRS.filter(dir => root.some(entry => entry.isDirectory() && entry.name === dir))
  return [...inRoot.filter(name => name !== 'package-lock.json'), ...dirs.flatMap(walk)].map(path => ({
    path,
    text: readFileSync(join(ROOT_DIR, path), 'utf8'),
  }))
}

export const isTypeScript = (path: string): boolean => path.endsWith('.ts')

export const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.startsWith('test/')

/**
 * Blanks comments out and keeps line breaks. Strings and templates are stepped over, so that a `//` in a
 * URL is not taken for a comment. A regular expression with a quote in it may blank too little, never more.
 */
export function withoutComments(text: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g
  return text.replace(token, found => (found.startsWith('/') ? found.replace(/[^\n]/g, ' ') : found))
}
