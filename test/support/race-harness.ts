// Lets several requests meet at one instant on several server processes, trial after trial, and counts what came of it.
import type { Answer, HttpClient, Request } from './http-client.ts'

export interface Race<Subject> {
  /** One for each process. */
  clients: HttpClient[]
  trials: number
  contenders?: number
  /** Makes what they fight for. */
  prepare(trial: number): Promise<Subject>
  request(subject: Subject, contender: number): Request | Promise<Request>
  isSuccess(answer: Answer): boolean
  /** Looks at what is left; called after each trial. */
  afterwards?(subject: Subject, answers: Answer[]): Promise<void>
}

export interface RaceLedger {
  trials: number
  /** Trials by their number of successes. */
  bySuccesses: Record<number, number>
  /** Trials with more than one success. */
  broken: number
  exactlyOne: number
  /** Answers of 500 and above. */
  serverErrors: number
  /** How often each status was the answer of one who did not succeed. */
  losers: Record<number, number>
  milliseconds: number
}

export async function race<Subject>(given: Race<Subject>): Promise<RaceLedger> {
  const { clients, trials, contenders = 8 } = given
  const began = performance.now()
  const ledger = { trials, bySuccesses: {}, broken: 0, exactlyOne: 0, serverErrors: 0, losers: {}, milliseconds: 0 }
  await Promise.all(clients.map((client) => client.warm(Math.ceil(contenders / clients.length))))
  for (let trial = 0; trial < trials; trial += 1) {
    const subject = await given.prepare(trial)
    const requests = await Promise.all(
      Array.from({ length: contenders }, (_, contender) => given.request(subject, contender)),
    )
    const answers = await Promise.all(
      requests.map((request, contender) => (clients[contender % clients.length] as HttpClient).send(request)),
    )
    record(ledger, answers, given.isSuccess)
    await given.afterwards?.(subject, answers)
  }
  ledger.milliseconds = Math.round(performance.now() - began)
  return ledger
}

function record(ledger: RaceLedger, answers: Answer[], isSuccess: (answer: Answer) => boolean): void {
  const successes = answers.filter(isSuccess).length
  ledger.bySuccesses[successes] = (ledger.bySuccesses[successes] ?? 0) + 1
  if (successes > 1) ledger.broken += 1
  if (successes === 1) ledger.exactlyOne += 1
  for (const answer of answers.filter((each) => !isSuccess(each))) {
    ledger.losers[answer.status] = (ledger.losers[answer.status] ?? 0) + 1
    if (answer.status >= 500) ledger.serverErrors += 1
  }
}

/** One line a goal: `goal value limit pass|fail`. */
export function report(goal: string, value: string | number, limit: string | number, isReached: boolean): void {
  process.stdout.write(`${goal}\t${value}\t${limit}\t${isReached ? 'pass' : 'fail'}\n`)
}

export const quantile = (values: number[], share: number): number =>
  values.toSorted((left, right) => left - right)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
