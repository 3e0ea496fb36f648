// The check inside the service: Koa, Express and Fastify with gatehouse/verifier.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { fastify } from 'fastify'
import Koa from 'koa'
import {
  createVerifier,
  expressAuth,
  fastifyAuth,
  identityHeaders,
  koaAuth,
  type VerifiedToken,
} from '../../src/verifier/verifier.ts'
import { type Placed, type Placement, sendRaw } from './placement.ts'

/** In a service the verified token says who is calling; what headers say counts for nothing. */
export const greeting = (token: VerifiedToken | undefined) => ({
  reached: true,
  identity: Object.fromEntries(
    Object.entries(identityHeaders(token)).map(([name, value]) => [name.toLowerCase(), value]),
  ),
})

async function listening(handler: RequestListener): Promise<Placed & { port: number }> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    send: (request) => sendRaw(port, request),
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export const koaPlacement: Placement = {
  name: 'library: Koa',
  start({ rules, ...setting }) {
    const app = new Koa()
    app.use(koaAuth(createVerifier(setting), { rules }))
    app.use((ctx) => {
      ctx.body = greeting(ctx.state.token)
    })
    return listening(app.callback())
  },
}

export const expressPlacement: Placement = {
  name: 'library: Express',
  start({ rules, ...setting }) {
    const app = express()
    app.use(expressAuth(createVerifier(setting), { rules }))
    app.use((req, res) => {
      res.json(greeting((req as { token?: VerifiedToken }).token))
    })
    return listening(app)
  },
}

export const fastifyPlacement: Placement = {
  name: 'library: Fastify',
  async start({ rules, ...setting }) {
    const app = fastify({
      // Fastify's router refuses what it cannot decode before any hook: the status is the same, the words are ours to choose.
      frameworkErrors: (_, __, { raw }) => raw.writeHead(400).end(JSON.stringify({ error: 'invalid_request' })),
    })
    app.addHook('onRequest', fastifyAuth(createVerifier(setting), { rules }))
    app.setNotFoundHandler(async (request, reply) =>
      reply.code(200).send(greeting((request as { token?: VerifiedToken }).token)),
    )
    const port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
    return { send: (request) => sendRaw(port, request), stop: () => app.close() }
  },
}
