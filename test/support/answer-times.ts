// Measures whether the time of an answer tells who has an account: the same request for somebody and for nobody, in turn, on a server of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import { authorizeUrl, pkce } from './code-flow.ts'
import { interactionUid } from './engine-sign-in.ts'
import type { HttpClient } from './http-client.ts'
import { quantile } from './race-harness.ts'
import { createUserAgent } from './user-agent.ts'

export interface Question {
  name: string
  path: string
  form(email: string): Record<string, string>
  /** Of an answer that was worked for. */
  status: number
  /** How many ask at once: those that only wait for an even time may. */
  lanes: number
}

export const questions: Question[] = [
  {
    name: 'sign-in with a wrong password',
    path: '/sign-in',
    form: (email) => ({ email, password: 'a wrong passphrase, whoever it is' }),
    status: 400,
    lanes: 1,
  },
  { name: 'forgotten password', path: '/forgotten-password', form: (email) => ({ email }), status: 200, lanes: 6 },
  { name: 'sign-in link', path: '/link', form: (email) => ({ email, password: '' }), status: 303, lanes: 6 },
  {
    name: 'sign-up',
    path: '/sign-up',
    form: (email) => ({ email, name: '', password: 'quite a long passphrase of my own' }),
    status: 303,
    lanes: 3,
  },
]

export interface Times {
  name: string
  /** Of each kind. */
  samples: number
  /** Medians, in milliseconds. */
  known: number
  unknown: number
  /** By how much somebody's answer comes later than nobody's: the median of pairs that were measured one after the other. */
  difference: number
  /** Within which the difference lies with 99 % confidence. */
  from: number
  to: number
}

export async function measureTimes(cluster: Cluster, question: Question, samples: number): Promise<Times> {
  const accounts = await Promise.all(Array.from({ length: question.lanes }, () => cluster.office.makeAccount()))
  const pairs: { known: number; unknown: number }[] = []
  let asked = 0
  const lane = async (number: number) => {
    const send = await openSignIn(cluster, question)
    for (let warm = 0; warm < 3; warm += 1) await send(`warm-${number}-${warm}@example.com`)
    while (asked < samples) {
      const turn = asked++
      // Those of one lane alone: a mailbox takes few messages at a time.
      const names = {
        known: String(accounts[number]?.email),
        unknown: `nobody-${number}-${turn % 10}@example.com`,
      }
      // By chance who comes first: what the one leaves behind must not fall to the other alone.
      const order = Math.random() < 0.5 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const)
      const pair = { known: 0, unknown: 0 }
      for (const who of order) pair[who] = await send(names[who])
      pairs.push(pair)
    }
  }
  await Promise.all(Array.from({ length: question.lanes }, (_, number) => lane(number)))
  return summaryOf(question.name, pairs)
}

/** A sign-in under way; the function asks, and answers how long that took. */
async function openSignIn({ issuer, office, nodes }: Cluster, question: Question) {
  const redirectUri = 'https://app.example.com/callback'
  const app = { redirectUri, ...(await office.makeClient({ redirectUris: [redirectUri] })) }
  const agent = createUserAgent()
  const { challenge } = pkce()
  const params = { code_challenge: challenge, code_challenge_method: 'S256' }
  const path = `/interaction/${interactionUid(await agent.visit(authorizeUrl(issuer, app, params)))}`
  const cookie = [...agent.cookies].map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ')
  const { client } = nodes[0] as { client: HttpClient }
  const { database } = office.server.stores
  return async (email: string): Promise<number> => {
    // What is counted would stop the measuring; each comes from an address of its own.
    for (const table of ['sign_in_throttle', 'mail_throttle', 'mail_queue'])
      await database.query(`DELETE FROM ${table}`)
    await sleep(2)
    const [a, b, c] = crypto.getRandomValues(new Uint8Array(3))
    const headers = {
      ...{ cookie, accept: 'text/html', 'sec-fetch-site': 'same-origin' },
      'x-forwarded-for': `10.${a}.${b}.${c}`,
    }
    const answer = await client.send({ path: path + question.path, headers, form: question.form(email) })
    if (answer.status !== question.status) throw new Error(`${question.name}: ${answer.status} ${answer.text}`)
    return answer.milliseconds
  }
}

function summaryOf(name: string, pairs: { known: number; unknown: number }[]): Times {
  const differences = pairs.map(({ known, unknown }) => known - unknown).sort((left, right) => left - right)
  // Of the sign test: the ranks between which the true median lies.
  const reach = (2.576 * Math.sqrt(differences.length)) / 2
  const middle = differences.length / 2
  const at = (rank: number) => differences[Math.min(differences.length - 1, Math.max(0, Math.round(rank)))] ?? 0
  return {
    name,
    samples: pairs.length,
    known: quantile(
      pairs.map(({ known }) => known),
      0.5,
    ),
    unknown: quantile(
      pairs.map(({ unknown }) => unknown),
      0.5,
    ),
    difference: at(middle),
    from: at(middle - reach),
    to: at(middle + reach),
  }
}
