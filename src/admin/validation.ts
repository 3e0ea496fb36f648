// Turns what is wrong with a request into one refusal that names every field (RFC 9457).
import type { z } from 'zod'
import { type AppError, badRequest } from '../http/errors.ts'

export interface FieldError {
  field: string
  message: string
}

const mostErrors = 50

export const invalidFields = (errors: readonly FieldError[]): AppError =>
  badRequest('invalid_request', `Correct ${[...new Set(errors.map(({ field }) => field))].slice(0, 10).join(', ')}.`, {
    extensions: { errors: errors.slice(0, mostErrors) },
  })

export function parsed<T>(schema: z.ZodType<T>, given: unknown, whole: string): T {
  const result = schema.safeParse(given)
  if (result.success) return result.data
  throw invalidFields(result.error.issues.flatMap((issue) => errorsOf(issue, whole)))
}

function errorsOf(issue: z.core.$ZodIssue, whole: string): FieldError[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') return [{ field: path.join('.') || whole, message: `${issue.message}.` }]
  return issue.keys.map((key) => ({
    field: [...path, key.slice(0, 100)].join('.'),
    message: 'There is no such field.',
  }))
}

/** Names the fields of the domain as the JSON does: in snake_case, but for those in `others`. */
export function namedFields(
  problems: readonly FieldError[],
  others: Readonly<Record<string, string>> = {},
): FieldError[] {
  const snake = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return problems.map(({ field, message }) => ({ field: others[field] ?? snake(field), message }))
}
