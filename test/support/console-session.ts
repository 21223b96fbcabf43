/** One command of a documented session, and what it printed. */
export interface SessionStep {
  readonly command: string
  readonly output: string
}

/**
 * The steps of all ```console blocks of a Markdown text: a line that begins with `$ ` is a command, lines after
 * a trailing backslash continue it, and what follows up to the next command is its output.
 */
export function sessionSteps(markdown: string): SessionStep[] {
  const steps: { command: string; output: string }[] = []
  for (const [, block = ''] of markdown.matchAll(/^```console\n(.*?)^```$/gms)) {
    let continues = false
    for (const line of block.trimEnd().split('\n')) {
      const step = steps.at(-1)
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: '' })
      else if (continues && step) step.command += `\n${line}`
      else if (step) step.output += `${line}\n`
      continues = (line.startsWith('$ ') || continues) && line.endsWith('\\')
    }
  }
  return steps
}
