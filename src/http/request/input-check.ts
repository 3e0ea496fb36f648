// Refuses requests that carry what cannot be stored or decoded, before any other part looks at them.
import type { IncomingMessage } from 'node:http'
import type { Context, Middleware } from 'koa'
import { badRequest } from '../errors.ts'
import { readBody } from './request-body.ts'
import { decodePercent, decodeUtf8, isStorable, isStorableJson, isStorableToken, parseJson } from './storable-text.ts'

interface Parts {
  maxBodyBytes: number
}

const formType = 'application/x-www-form-urlencoded'
const jsonType = 'application/json'

/** Mount it before everything that reads the query, a header or the body. Leaves the body in `ctx.state.rawBody`. */
export function createInputCheck({ maxBodyBytes }: Parts): Middleware {
  return async (ctx, next) => {
    const part = badPartOfTarget(ctx.req.url ?? '') ?? badHeader(ctx.req)
    if (part) throw refusal(part)
    const bytes = await readBody(ctx, maxBodyBytes, [formType, jsonType])
    if (bytes.length > 0 && !isGoodBody(ctx, bytes)) throw refusal('The body')
    await next()
  }
}

function refusal(part: string) {
  return badRequest(
    'invalid_request',
    `${part} holds a NUL character, text that is not valid UTF-8, wrong percent-encoding or too deep nesting. Correct it and send the request again.`,
  )
}

function badPartOfTarget(target: string): string | undefined {
  const queryStart = target.indexOf('?')
  const path = queryStart === -1 ? target : target.slice(0, queryStart)
  if (/[^\x21-\x7e]|#/.test(target)) return 'The request target'
  if (!isStorable(decodePercent(path) ?? '\0')) return 'The path'
  return queryStart === -1 || isGoodForm(target.slice(queryStart + 1)) ? undefined : 'The query'
}

// Decoding the whole is as strict as decoding each part, because `&` and `=` cannot stand inside a UTF-8 sequence.
function isGoodForm(text: string): boolean {
  if (!isStorable(decodePercent(text) ?? '\0')) return false
  return !text.includes('.') || [...new URLSearchParams(text).values()].every(isStorableToken)
}

// Node hands header bytes over as Latin-1. Percent signs mean nothing in most headers, and a stray one in a neighbour's
// cookie must not lock a person out; an encoded NUL is never innocent.
function badHeader(req: IncomingMessage): string | undefined {
  for (const [name, value] of Object.entries(req.headers)) {
    const isGood = [value ?? []].flat().every((line) => {
      const text = decodeUtf8(Buffer.from(line, 'latin1'))
      return text !== undefined && isStorable(text) && (name !== 'cookie' || !text.includes('%00'))
    })
    if (!isGood) return name === 'cookie' ? 'A cookie' : `The header ${name.slice(0, 64)}`
  }
  return undefined
}

// Malformed JSON is left to the handler: each has its own error format.
function isGoodBody(ctx: Context, bytes: Buffer): boolean {
  const text = decodeUtf8(bytes)
  if (text === undefined || text.includes('\0')) return false
  return ctx.is(jsonType) ? isStorableJson(parseJson(text)) : isGoodForm(text)
}
