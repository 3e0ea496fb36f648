// Lists what a guesser knows of a person, so that no password is built on it.
export interface Known {
  email: string
  username?: string | undefined
  name?: string | undefined
  profile?: Record<string, unknown> | undefined
}

const knownClaims = ['given_name', 'family_name', 'middle_name', 'nickname', 'birthdate']

export function personalWordsOf({ email, username, name, profile = {} }: Known): string[] {
  const claims = knownClaims.flatMap((claim) => (typeof profile[claim] === 'string' ? [profile[claim]] : []))
  const names = [name ?? '', ...claims].flatMap((text) => [text, ...text.split(/\s+/)])
  const words = [email, ...email.split('@'), username ?? '', ...names]
  return [...new Set(words)].filter((word) => word !== '')
}
