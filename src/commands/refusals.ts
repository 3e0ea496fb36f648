// What ends a command early: a refusal (exit code 1) or wrong usage (exit code 2), each told in one line.

/** Exit code 1. */
export class CommandRefusal extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'CommandRefusal'
    this.code = code
  }
}

/** Exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** What the domain found wrong, by the option that an operator typed. */
export function refuseProblems(problems: readonly { field: string; message: string }[]): CommandRefusal {
  return new CommandRefusal('invalid', problems.map(({ message }) => message).join(' '))
}

export const notFound = (what: string, id: string): CommandRefusal =>
  new CommandRefusal('not_found', `There is no ${what} ${id}.`)

// A refused connection to several addresses at once has no message of its own.
export function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join('; ')
  return cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause)
}
