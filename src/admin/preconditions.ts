// Keeps two administrators from overwriting each other: ETag and If-Match (RFC 9110 sections 8.8.3 and 13.1.1).
import { badRequest, preconditionFailed, preconditionRequired } from '../http/errors.ts'

export const etag = (version: number): string => `"${version}"`

/** The version that the caller has seen; undefined for `*`, which is whatever there is now. */
export function requiredVersion(ifMatch: string): number | undefined {
  if (ifMatch !== '') return seenVersion(ifMatch)
  throw preconditionRequired('Send If-Match with the ETag that you have last seen, so that nobody’s change is lost.')
}

/** As `requiredVersion`, but undefined also without the header. */
export function seenVersion(ifMatch: string): number | undefined {
  if (ifMatch === '' || ifMatch === '*') return undefined
  const version = /^"([1-9]\d{0,8})"$/.exec(ifMatch)?.[1]
  if (version) return Number(version)
  // A weak or foreign tag is well-formed, but equals none of ours.
  if (/^(W\/)?"[^"]*"$/.test(ifMatch)) throw changedMeanwhile()
  throw badRequest('invalid_request', 'If-Match must be * or one ETag as it was sent, with its quotes: "3".')
}

export const changedMeanwhile = () =>
  preconditionFailed(
    'Somebody has changed this in the meantime. Get it again, and repeat your change on what you find.',
  )
