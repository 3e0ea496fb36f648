// An API that checks access tokens offline: `createVerifier` is all that it knows of Gatehouse.
import Koa from 'koa'
import { createVerifier, koaAuth } from '../src/verifier/verifier.ts' // in your service: from 'gatehouse/verifier'

export function startOrdersApi({ issuer, audience, port }: { issuer: string; audience: string; port: number }) {
  const verifier = createVerifier({ issuer, audience })
  const app = new Koa()
  app.use(koaAuth(verifier, { scopes: ['orders:read'] }))
  app.use((ctx) => {
    const { subject, clientId, scopes } = ctx.state.token
    ctx.body = { orders: [{ id: 1, item: 'A lantern' }], calledBy: { subject, clientId, scopes } }
  })
  return app.listen(port, '127.0.0.1')
}
