import { createHashSchemes } from '../../../src/accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../../../src/accounts/password/password.ts'
import { createPasswordQueue } from '../../../src/accounts/password/password-queue.ts'
import { createSealing } from '../../../src/sealing.ts'

const schemes = createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 1)]) })

describe('queueing password hashes', () => {
  it('evaluates one and 32 that wait of 64 parallel sign-ins, and refuses the others within 50 ms', async () => {
    const passwords = createPasswords({ queue: createPasswordQueue(), schemes })
    const start = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 64 }, async () => ({
        answer: await passwords.check(undefined, 'wrong horse battery staple'),
        took: performance.now() - start,
      })),
    )
    const busy = answers.filter(({ answer }) => !answer.ok && answer.reason === 'busy')
    expect(busy).toHaveLength(31)
    expect(Math.max(...busy.map(({ took }) => took))).toBeLessThanOrEqual(50)
    expect(await passwords.hash('correct horse battery staple')).toMatchObject({ ok: true })
  })

  it('never runs more at once than it may, also after a failure', async () => {
    const queue = createPasswordQueue({ concurrency: 2, waiting: 100 })
    let running = 0
    let most = 0
    const work = async (fails: boolean) => {
      running += 1
      most = Math.max(most, running)
      await new Promise((done) => setTimeout(done, 2))
      running -= 1
      if (fails) throw new Error('no memory')
    }
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, async (_, index) => {
        // Some come while the places pass on from one to the next.
        await new Promise((done) => setTimeout(done, index / 2))
        return queue.run(() => work(index % 3 === 0))
      }),
    )
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(14)
    expect(most).toBe(2)
    expect(await queue.run(async () => 'free again')).toEqual({ ok: true, value: 'free again' })
  })

  it('serves those who wait in the order of their coming', async () => {
    const queue = createPasswordQueue({ concurrency: 1, waiting: 3 })
    const served: number[] = []
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map((number) => queue.run(async () => served.push(number))))
    expect(served).toEqual([1, 2, 3, 4])
    expect(outcomes.at(-1)).toEqual({ ok: false, reason: 'busy' })
  })
})
