/** What the exit codes say; also in usage.ts. */
export const exitCodes = { done: 0, refused: 1, usage: 2, unreachable: 3, notDrained: 4 } as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends the command: its sentence is all that is printed. */
export class CliFailure extends Error {
  readonly exitCode: ExitCode

  constructor(sentence: string, exitCode: ExitCode, options?: { cause?: unknown }) {
    super(sentence, options)
    this.name = 'CliFailure'
    this.exitCode = exitCode
  }
}
