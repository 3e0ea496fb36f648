// A person with an account and a browser: signs in to their own pages, reads their mail, and moves their sign-in into the past.
import { startTestServer, type TestServer, type TestServerOptions } from '../support/test-server.ts'
import { createUserAgent, type Page, type UserAgent } from '../support/user-agent.ts'

export interface Person {
  sub: string
  email: string
  password: string
  agent: UserAgent
}

export interface Letter {
  to: string
  subject: string
  text: string
}

export interface AccountWorld extends TestServer {
  at(path: string): URL
  /** An account whose owner is signed in, just now, with a password. */
  newPerson(account?: { email?: string; roles?: string[] }): Promise<Person>
  /** One more browser of the same person. */
  signIn(person: Pick<Person, 'email' | 'password'>, agent?: UserAgent): Promise<UserAgent>
  visit(person: Pick<Person, 'agent'>, path: string): Promise<Page>
  post(person: Pick<Person, 'agent'>, path: string, fields?: Record<string, string>): Promise<Page>
  /** Of this person's sessions, all. */
  ageSignIn(person: Pick<Person, 'sub'>, seconds: number): Promise<void>
  /** As if a second factor had been shown too. */
  strengthenSignIn(person: Pick<Person, 'sub'>): Promise<void>
  /** Newest first. */
  letters(to: string): Promise<Letter[]>
  /** The path of the link in the newest message with this subject. */
  linkTo(to: string, subject: RegExp): Promise<string>
}

export async function startAccountWorld(options: TestServerOptions = {}): Promise<AccountWorld> {
  const gatehouse = await startTestServer(options)
  const { stores } = gatehouse.server
  const at = (path: string) => new URL(path, gatehouse.issuer)

  const signIn = async (person: Pick<Person, 'email' | 'password'>, agent = createUserAgent()) => {
    const page = await agent.visit(at('/account'))
    const inside = await agent.submit(page, '/sign-in', credentialsOf(person))
    if (inside.url.pathname !== '/account') throw new Error(`${inside.status} ${inside.url} ${textOf(inside)}`)
    return agent
  }

  const letters = async (to: string): Promise<Letter[]> =>
    (await stores.mailQueue.listKept(500)).filter((letter) => letter.to === to)

  return {
    ...gatehouse,
    at,
    signIn,
    newPerson: async (account = {}) => {
      await stores.database.query('DELETE FROM sign_in_throttle')
      const made = await gatehouse.makeAccount(account)
      await stores.database.query('UPDATE accounts SET email_verified = true WHERE sub = $1', [made.sub])
      return { sub: made.sub, email: made.email, password: made.password, agent: await signIn(made) }
    },
    visit: ({ agent }, path) => agent.visit(at(path)),
    post: async ({ agent }, path, fields = {}) => {
      const page = await agent.request(at(path), { method: 'POST', body: new URLSearchParams(fields) })
      return page.location?.origin === gatehouse.issuer ? agent.visit(page.location) : page
    },
    ageSignIn: async ({ sub }, seconds) => {
      await stores.database.query(
        `UPDATE sessions SET payload = payload || jsonb_build_object('loginTs', (payload->>'loginTs')::bigint - $2::bigint) WHERE sub = $1`,
        [sub, seconds],
      )
    },
    strengthenSignIn: async ({ sub }) => {
      await stores.database.query(`UPDATE sessions SET payload = payload || $2 WHERE sub = $1`, [
        sub,
        { acr: 'urn:gatehouse:acr:2fa' },
      ])
    },
    letters,
    linkTo: async (to, subject) => {
      const letter = (await letters(to)).find((each) => subject.test(each.subject))
      const link = /https?:\/\/\S+/.exec(letter?.text ?? '')?.[0]
      if (!link) throw new Error(`No such message to ${to}: ${JSON.stringify(await letters(to))}`)
      return new URL(link).pathname
    },
  }
}

/** For the sign-in page. */
export const credentialsOf = ({ email, password }: Pick<Person, 'email' | 'password'>) => ({ email, password })

/** What a page says, without its markup. */
export const textOf = ({ text }: Page): string =>
  text
    .replace(/<(script|style|head).*?<\/\1>/gs, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#39;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ')
    .trim()
