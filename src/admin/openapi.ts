// Makes the OpenAPI 3.1 document of the admin API from the operations themselves.
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import type { Operation } from './operation.ts'
import { problem } from './schemas.ts'

interface Parts {
  issuer: string
  operations: readonly Operation[]
}

const notes = `Call it with an access token of this server for the audience of the admin API, by a machine client that was granted
its scopes (client_credentials) or by a person with the role owner. PATCH takes If-Match with the ETag of what was seen.`

export function openApiDocument({ issuer, operations }: Parts): ReturnType<typeof createDocument> {
  const paths: ZodOpenApiPathsObject = {}
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: described(operation) }
  }
  return createDocument({
    openapi: '3.1.1',
    info: { title: 'Gatehouse admin API', version: '1', description: notes },
    servers: [{ url: `${issuer}/admin/api/v1` }],
    paths,
    components: {
      securitySchemes: {
        oauth2: {
          type: 'oauth2',
          flows: { clientCredentials: { tokenUrl: `${issuer}/token`, scopes: scopesOf(operations) } },
        },
      },
    },
  })
}

function described(operation: Operation): ZodOpenApiOperationObject {
  const { id, summary, scope, status, answer, body } = operation
  return {
    operationId: id,
    summary,
    tags: [operation.path.split('/')[1] ?? ''],
    security: [{ oauth2: [scope] }],
    requestParams: parametersOf(operation),
    ...(body && {
      requestBody: {
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: body } },
      },
    }),
    responses: {
      [status]: {
        description: STATUS_CODES[status] ?? '',
        ...(answer && { content: { 'application/json': { schema: answer } } }),
      },
      ...refusals([400, 401, 403, ...operation.refusals]),
    },
  }
}

function parametersOf({ path, query, takesIfMatch, method }: Operation) {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
  const etag = z.string().meta({ description: 'The ETag that was last seen, or *' })
  return {
    path: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
    ...(query && { query: query as z.ZodObject }),
    ...(takesIfMatch && { header: z.object({ 'If-Match': method === 'patch' ? etag : etag.optional() }) }),
  }
}

const refusals = (statuses: readonly number[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      String(status),
      { description: STATUS_CODES[status] ?? '', content: { 'application/problem+json': { schema: problem } } },
    ]),
  )

const scopesOf = (operations: readonly Operation[]) =>
  Object.fromEntries([...new Set(operations.map(({ scope }) => scope))].sort().map((scope) => [scope, '']))
