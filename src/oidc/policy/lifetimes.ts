// How long everything lives, in seconds.
import type { Client as EngineClient, KoaContextWithOIDC, Session } from 'oidc-provider'
import type { Config } from '../../config.ts'

const minute = 60
const day = 86_400

export const lifetimes = {
  code: minute,
  idToken: 60 * minute,
  /** Access tokens for userinfo; those for an API live as long as the API says. */
  accessToken: 10 * minute,
  interaction: 10 * minute,
  anonymousSession: 60 * minute,
  deviceCode: 10 * minute,
  refreshIdle: 14 * day,
  refreshAbsolute: 30 * day,
  /** A grant is prolonged with its refresh tokens; this is what it gets at first. */
  grant: 32 * day,
  registrationAccessToken: 3650 * day,
}

interface Token {
  iiat?: number
  resourceServer?: { accessTokenTTL?: number } | undefined
}

const seconds = () => Math.floor(Date.now() / 1000)
const ofApi = (_: KoaContextWithOIDC, token: Token, __: EngineClient) =>
  token.resourceServer?.accessTokenTTL ?? lifetimes.accessToken

/** Seconds that a session lives on when it is used now. */
export function sessionSeconds(
  { accountId, loginTs }: { accountId?: string | undefined; loginTs?: number | undefined },
  { idle, absolute }: Config['session'],
): number {
  // Nobody is signed in: it only holds a token against cross-site requests.
  if (!accountId) return lifetimes.anonymousSession
  return Math.max(1, Math.min(idle, (loginTs ?? seconds()) + absolute - seconds()))
}

/** The engine's `ttl`. */
export const ttl = ({ session }: Pick<Config, 'session'>) => ({
  AccessToken: ofApi,
  ClientCredentials: ofApi,
  AuthorizationCode: lifetimes.code,
  DeviceCode: lifetimes.deviceCode,
  Grant: lifetimes.grant,
  IdToken: lifetimes.idToken,
  Interaction: lifetimes.interaction,
  RegistrationAccessToken: lifetimes.registrationAccessToken,
  RefreshToken: (_: KoaContextWithOIDC, token: Token) => {
    const end = (token.iiat ?? seconds()) + lifetimes.refreshAbsolute
    return Math.max(1, Math.min(lifetimes.refreshIdle, end - seconds()))
  },
  Session: (_: KoaContextWithOIDC, current: Session) => sessionSeconds(current, session),
})
