// Gives our own routes the fields of a form or the value of a JSON document.
import type { Context } from 'koa'
import { badRequest, unsupportedMediaType } from './errors.ts'
import { rawBody } from './request/request-body.ts'
import { parseJson } from './request/storable-text.ts'

type Request = Pick<Context, 'state' | 'is'>

/** The fields of a form, no field twice. An empty body has none. The record has no prototype. */
export function readForm(ctx: Request): Record<string, string> {
  const bytes = rawBody(ctx)
  const fields: Record<string, string> = Object.create(null)
  if (bytes.length === 0) return fields
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw unsupportedMediaType('Send the fields as application/x-www-form-urlencoded.')
  }
  for (const [name, value] of new URLSearchParams(bytes.toString())) {
    if (name in fields)
      throw badRequest('invalid_request', `The field ${name.slice(0, 64)} stands twice in the form. Send it once.`)
    fields[name] = value
  }
  return fields
}

/** The JSON value of the body; whether it has the right shape is the caller's question. */
export function readJson(ctx: Request): unknown {
  const bytes = rawBody(ctx)
  if (bytes.length === 0) throw badRequest('invalid_request', 'The body is empty. Send a JSON document.')
  if (!ctx.is('application/json')) throw unsupportedMediaType('Send the document as application/json.')
  const document = parseJson(bytes.toString())
  if (document === undefined)
    throw badRequest('invalid_request', 'The body is not valid JSON. Correct it and send it again.')
  return document
}
