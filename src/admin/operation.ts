// One operation of the admin API: what it demands, takes and answers. Routes, guard and OpenAPI document come from the same description.
import type { Context } from 'koa'
import { z } from 'zod'
import { readJson } from '../http/form-body.ts'
import { rawBody } from '../http/request/request-body.ts'
import type { Caller, Guard } from './guard.ts'
import { etag } from './preconditions.ts'
import { parsed } from './validation.ts'

export type Method = 'get' | 'post' | 'patch' | 'delete'

export interface OperationDescription {
  id: string
  summary: string
  method: Method
  /** As OpenAPI writes it: `/clients/{client_id}`. */
  path: string
  /** The scope that its caller must hold. */
  scope: string
  body?: z.ZodType | undefined
  query?: z.ZodType | undefined
  status: 200 | 201 | 202 | 204
  answer?: z.ZodType | undefined
  /** The statuses that it may refuse with, apart from 400, 401 and 403. */
  refusals: readonly number[]
  takesIfMatch?: boolean
}

export interface OperationRequest<Body, Query> {
  caller: Caller
  /** The decoded path parameters by their names. */
  params: Readonly<Record<string, string | undefined>>
  /** The first of them, or an empty string. */
  id: string
  body: Body
  query: Query
  /** The header as it came. */
  ifMatch: string
}

export interface Answer {
  body?: object
  version?: number
  location?: string
}

export interface Operation extends OperationDescription {
  run(ctx: Context, guard: Guard): Promise<void>
}

type Typed<Body, Query> = Omit<OperationDescription, 'body' | 'query'> & {
  body?: z.ZodType<Body>
  query?: z.ZodType<Query>
  handle(request: OperationRequest<Body, Query>): Promise<Answer>
}

const nothing = z.strictObject({})

export function operation<Body = object, Query = object>(typed: Typed<Body, Query>): Operation {
  const { handle, ...description } = typed
  const bodySchema = typed.body ?? (nothing as unknown as z.ZodType<Body>)
  const querySchema = typed.query ?? (nothing as unknown as z.ZodType<Query>)
  return {
    ...description,
    run: async (ctx, guard) => {
      const caller = await guard.admit(ctx, typed.scope)
      const query = parsed(querySchema, { ...ctx.query }, 'query')
      const body = parsed(bodySchema, rawBody(ctx).length === 0 ? {} : readJson(ctx), 'body')
      const params = ctx.params as Record<string, string>
      const id = Object.values(params)[0] ?? ''
      send(ctx, typed.status, await handle({ caller, params, id, body, query, ifMatch: ctx.get('If-Match') }))
    },
  }
}

function send(ctx: Context, status: number, { body, version, location }: Answer): void {
  ctx.status = status
  ctx.set('Cache-Control', 'no-store')
  if (version !== undefined) ctx.set('ETag', etag(version))
  if (location !== undefined) ctx.set('Location', location)
  ctx.body = body ?? null
  if (body) ctx.type = 'application/json'
}
