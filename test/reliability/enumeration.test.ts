// The time of an answer does not tell who has an account: a quick look; `node bench/enumeration.ts` takes 2,000 samples (threat L3).
import { measureTimes, questions, type Times } from '../support/answer-times.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { report } from '../support/race-harness.ts'

const env = { GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1/32' }
const limit = 5

const told = ({ known, unknown, difference, from, to, samples }: Times) =>
  `known ${known.toFixed(1)}, unknown ${unknown.toFixed(1)}, apart ${difference.toFixed(1)} (${from.toFixed(1)} to ${to.toFixed(1)}) ms, ${samples} each`

/** Nothing that a busy machine does to both alike counts: only a difference that the samples leave no doubt about. */
const isTelling = ({ from, to }: Times) => from > limit || to < -limit

describe('how long an answer takes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env })
  }, 60_000)
  afterAll(() => cluster?.stop(), 30_000)

  it.each(questions.map((question) => [question.name, question] as const))(
    'tells nobody who has an account: %s',
    async (name, question) => {
      const times = await measureTimes(cluster, question, 100)
      report(`L3 ${name}`, told(times), `${limit} ms`, !isTelling(times))
      expect([times, isTelling(times)]).toEqual([times, false])
    },
    90_000,
  )
})

describe('the same on a server that hashes and writes mail only for those whom it knows', () => {
  let naive: Cluster
  beforeAll(async () => {
    naive = await startCluster({ nodes: 1, env, storage: 'naive' })
  }, 60_000)
  afterAll(() => naive?.stop(), 30_000)

  it.each(questions.slice(0, 3).map((question) => [question.name, question] as const))(
    'is seen: %s',
    async (name, question) => {
      const times = await measureTimes(naive, question, 30)
      report(`naive sign-in: ${name}`, told(times), `must be above ${limit} ms`, isTelling(times))
      expect([times, isTelling(times)]).toEqual([times, true])
    },
    60_000,
  )
})
