// Counts requests by address and failures by key in this process, and says when a caller may try again.
import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Context, Middleware } from 'koa'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { tooManyRequests } from './errors.ts'

interface Rule {
  points: number
  seconds: number
}

interface AddressRule extends Rule {
  applies: (ctx: Context) => boolean
}

export type Reservation = { ok: true; refund: () => Promise<void> } | { ok: false; retryAfter: number }

export interface FailureLimit {
  /** Takes a point before the work begins, so that parallel tries cannot pass the limit together. Refund on success. */
  reserve: (key: string) => Promise<Reservation>
}

export function createRequestLimits() {
  return { limitByAddress, createFailureLimit }
}

function limitByAddress({ points, seconds, applies }: AddressRule): Middleware {
  const limiter = new RateLimiterMemory({ points, duration: seconds })
  return async (ctx, next) => {
    if (applies(ctx)) {
      const { isWithin, milliseconds } = await consume(limiter, addressKey(ctx.ip))
      if (!isWithin) throw tooManyRequests(wholeSeconds(milliseconds))
    }
    await next()
  }
}

function createFailureLimit({ points, seconds }: Rule): FailureLimit {
  const limiter = new RateLimiterMemory({ points, duration: seconds })
  return {
    async reserve(key) {
      const hash = createHash('sha256').update(key).digest('base64url')
      const { isWithin, milliseconds } = await consume(limiter, hash)
      if (!isWithin) {
        // A try that was not made is not a failure: otherwise refunds of those under way would not free the key.
        await limiter.reward(hash)
        return { ok: false, retryAfter: wholeSeconds(milliseconds) }
      }
      return { ok: true, refund: refundOnce(limiter, hash, Date.now() + milliseconds) }
    },
  }
}

// After the window the point is gone by itself; giving it back then would be a free try in the next window.
function refundOnce(limiter: RateLimiterMemory, key: string, windowEnd: number): () => Promise<void> {
  let isOpen = true
  return async () => {
    if (!isOpen || Date.now() >= windowEnd) return
    isOpen = false
    await limiter.reward(key)
  }
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<{ isWithin: boolean; milliseconds: number }> {
  try {
    const { msBeforeNext } = await limiter.consume(key)
    return { isWithin: true, milliseconds: msBeforeNext }
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused
    return { isWithin: false, milliseconds: refused.msBeforeNext }
  }
}

// One IPv6 customer holds at least a /64: counted by single address, the limit and this table would be endless.
function addressKey(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.toLowerCase().split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(8 - first.length - last.length, 0)
  return [...first, ...Array(zeros).fill('0'), ...last]
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16))
    .join(':')
}

function wholeSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000))
}
