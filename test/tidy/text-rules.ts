import { isTest, isTypeScript, type SourceFile, withoutComments } from './source-files.ts'

const LINES_MAX = 400
/** A suite is a list of cases. */
const TEST_LINES_MAX = 800
/** Tables of settings and errors: rows, not logic. */
const TABLE_LINES_MAX = 900
const TABLE = /(^|\/)(settings|[\w-]+-errors|[\w-]+-table|[\w-]*settings)\.ts$/

/** A rule that one line of a file can break. */
interface LineRule {
  name: string
  pattern: RegExp
  applies(path: string): boolean
  /** Look at code only, comments blanked out. */
  codeOnly: boolean
}

/** Where a process may touch its surroundings: its start, the clock and the logger. */
const AMBIENT_FILES =
  /^(gateway|proxy-node)\/main\.ts$|^shared\/clock\.ts$|^shared\/observability\/logger\.ts$/
const PRODUCTION = /^(gateway|proxy-node|shared)\//

/** Host names of package and image registries, put together here so that this file names none itself. */
const REGISTRY_HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['repo', 'maven', 'apache', 'org'],
  ['repo1', 'maven', 'org'],
  ['pypi', 'org'],
  ['pythonhosted', 'org'],
  ['deb', 'debian', 'org'],
  ['crates', 'io'],
  ['proxy', 'golang', 'org'],
  ['packages', 'confluent', 'io'],
  ['docker', 'io'],
  ['ghcr', 'io'],
  ['quay', 'io'],
].map(labels => labels.join('\\.'))

const RULES: LineRule[] = [
  {
    name: 'left-over note',
    pattern: new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`),
    applies: () => true,
    codeOnly: false,
  },
  {
    name: 'a test that hides others',
    pattern: /\b(?:test|it|describe)(?:\.\w+)*\.only\b/,
    applies: isTest,
    codeOnly: true,
  },
  {
    name: 'process.env, process.exit, Date.now, new Date(), Math.random or console outside of main.ts, clock, logger',
    pattern: /\bprocess\.(?:env|exit)\b|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bconsole\./,
    applies: path => PRODUCTION.test(path) && !AMBIENT_FILES.test(path) && !isTest(path),
    codeOnly: true,
  },
  {
    name: 'host name of a registry',
    pattern: new RegExp(`\\b(${REGISTRY_HOSTS.join('|')})\\b`),
    applies: () => true,
    codeOnly: false,
  },
  {
    name: 'a path of the machine it was written on',
    pattern: new RegExp(`(^|[\\s'"\`(=:])/(${['work', 'farm', 'root', 'home'].join('|')})/`),
    applies: path => path !== 'test/tidy/text-rules.ts',
    codeOnly: false,
  },
  {
    name: 'a document that is not in the repository',
    pattern: /\b(?:HOUSE|PROTOCOL|DRIVERS|DEPLOYMENT|USERS)(?:\.md| §| \d| rows? \d)/,
    applies: () => true,
    codeOnly: false,
  },
]

const SKIPPED = /\b(?:test|it|describe)(?:\.\w+)*\.(?:skip|todo|fails)\b/
const SKIP_REASON = /^\s*\/\/ skipped: \S/

function skipProblems(path: string, lines: string[]): string[] {
  if (!isTest(path)) return []
  return lines.flatMap((line, index) =>
    SKIPPED.test(line) && !SKIP_REASON.test(lines[index - 1] ?? '')
      ? [`${path}:${index + 1}: skipped without a line "// skipped: REASON" before it`]
      : [],
  )
}

/** What is wrong with the text of one file, a sentence each with file and line. */
export function textProblems({ path, text }: SourceFile): string[] {
  const lines = text.split('\n')
  const code = isTypeScript(path) ? withoutComments(text).split('\n') : lines
  const problems = RULES.filter(rule => rule.applies(path)).flatMap(rule =>
    (rule.codeOnly ? code : lines).flatMap((line, index) =>
      rule.pattern.test(line) ? [`${path}:${index + 1}: ${rule.name}: ${line.trim().slice(0, 80)}`] : [],
    ),
  )
  if (isTypeScript(path)) problems.push(...skipProblems(path, lines))
  const linesMax = TABLE.test(path) ? TABLE_LINES_MAX : isTest(path) ? TEST_LINES_MAX : LINES_MAX
  if (isTypeScript(path) && lines.length > linesMax) {
    problems.push(`${path}: ${lines.length} lines, more than ${linesMax}`)
  }
  return problems
}
