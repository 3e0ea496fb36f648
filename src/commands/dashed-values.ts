// Keeps a random value that happens to begin with a dash (one in 64 does) from being read as an option.

/** Longer than any option; kids and opaque tokens have 43 characters of base64url. */
const value = /^-[\w-]{30,}$/

/** Such arguments go behind `--`, unless they belong to the option before them. */
export function protectDashedValues(argv: string[]): string[] {
  if (argv.includes('--')) return argv
  const isValue = (arg: string, index: number) => {
    const before = argv[index - 1] ?? ''
    return value.test(arg) && (!before.startsWith('--') || before === '--json')
  }
  const values = argv.filter(isValue)
  if (values.length === 0) return argv
  return [...argv.filter((arg, index) => !isValue(arg, index)), '--', ...values]
}
