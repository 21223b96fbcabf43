/**
 * A failure that the person at the terminal can mend: its message is one sentence with the remedy and
 * is printed alone, without a stack trace.
 */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}
