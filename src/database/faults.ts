// Tells a database that does not answer (a 503, come back) from a statement that is wrong (a bug).
export class DatabaseUnavailable extends Error {
  readonly expose = true
  readonly status = 503
  readonly statusCode = 503
  readonly code = 'temporarily_unavailable'
  // The engine writes these two into its OAuth errors; it must not send the browser back with them.
  readonly error_description = 'The server cannot reach its database for the moment. Try again shortly.'
  readonly allow_redirect = false
  readonly retryAfter = 1

  constructor(cause: unknown) {
    super('temporarily_unavailable', { cause })
    this.name = 'DatabaseUnavailable'
  }
}

interface PostgresError {
  code?: string
}

const missingSchema = new Set(['42P01', '42703', '42501'])

/** SQLSTATE classes 22, 23 and 42 speak about the statement; everything else about the database. */
export function isFault(error: unknown): boolean {
  const { code } = error as PostgresError
  if (typeof code !== 'string' || code.length !== 5) return true
  return missingSchema.has(code) || !['22', '23', '42'].includes(code.slice(0, 2))
}

/** Two transactions met; the one that was chosen to give way may simply run again. */
export const isRetryable = (error: unknown): boolean => {
  const cause = error instanceof DatabaseUnavailable ? error.cause : error
  return ['40001', '40P01'].includes((cause as PostgresError | undefined)?.code ?? '')
}

export const isUniqueViolation = (error: unknown): boolean => (error as PostgresError)?.code === '23505'
export const isMissingParent = (error: unknown): boolean => (error as PostgresError)?.code === '23503'
