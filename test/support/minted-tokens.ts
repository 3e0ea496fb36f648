// Makes refresh token families through the engine's own models, where a test needs hundreds and the sign-in is not its subject.
import type { Application } from './code-flow.ts'
import type { TestServer } from './test-server.ts'

interface Saved {
  save(): Promise<string>
}

type Made<Shape> = new (payload: object) => Saved & Shape

/** A refresh token as it stands after a sign-in with `offline_access`. */
export async function mintRefreshToken(
  { server }: Pick<TestServer, 'server'>,
  app: Pick<Application, 'clientId'>,
  { sub }: { sub: string },
  scope = 'openid offline_access',
): Promise<string> {
  const provider = server.node.engine.provider()
  const client = await provider.Client.find(app.clientId)
  const grant = new provider.Grant({ accountId: sub, clientId: app.clientId })
  grant.addOIDCScope(scope)
  const RefreshToken = provider.RefreshToken as unknown as Made<object>
  const now = Math.floor(Date.now() / 1000)
  const token = new RefreshToken({
    accountId: sub,
    authTime: now,
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    iiat: now,
    scope,
  })
  return token.save()
}
