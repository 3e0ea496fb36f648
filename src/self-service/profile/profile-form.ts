// Reads and fills the form of a profile: standard claims by their names, the address by its parts.
import type { Account } from '../../accounts/account-store.ts'
import { addressParts, profileClaims } from '../../accounts/standard-claims.ts'

/** The address as one text is what the parts say already; it is kept as it is. */
const shownParts = addressParts.filter((part) => part !== 'formatted')

export interface ProfileChanges {
  name?: string
  locale: string
  profile: Record<string, unknown>
}

/** By the names of the fields. */
export function profileFields({ name, locale, profile }: Account): Record<string, string> {
  const claims = profileClaims.map((claim) => [claim, textOf(profile[claim])])
  const parts = shownParts.map((part) => [part, textOf(addressOf(profile)[part])])
  return { name: name ?? '', locale: locale ?? '', ...Object.fromEntries([...claims, ...parts]) }
}

/** What is not in the form stays as it is. */
export function profileChanges(
  form: Record<string, string>,
  account: Account,
  locales: readonly string[],
): ProfileChanges {
  const read = (field: string) => (form[field] ?? '').trim()
  const claims = profileClaims.filter((claim) => claim in form).map((claim) => [claim, read(claim)])
  const parts = shownParts.filter((part) => part in form).map((part) => [part, read(part)])
  const address = { ...addressOf(account.profile), ...Object.fromEntries(parts) }
  // The whole text would contradict parts that have changed.
  if (parts.some(([part, text]) => text !== textOf(addressOf(account.profile)[part as string])))
    delete address.formatted
  const name = read('name')
  return {
    // There is no taking it away: an account that has no name was never given one.
    ...(name === '' && account.name === undefined ? undefined : { name }),
    locale: locales.includes(read('locale')) ? read('locale') : '',
    profile: { ...account.profile, ...Object.fromEntries(claims), address },
  }
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : '')

const addressOf = ({ address }: Record<string, unknown>): Record<string, unknown> =>
  typeof address === 'object' && address !== null ? { ...address } : {}

/** The field at which a problem is shown: `profile.given_name` is `given_name` here. */
export const fieldOf = (problem: string): string =>
  problem === 'profile.address' ? 'street_address' : problem.replace(/^profile\./, '')
