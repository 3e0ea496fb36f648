// How commands take their options: several of one kind, and whole numbers.
import { InvalidArgumentError } from 'commander'

/** For options that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** A whole number, of seconds or of anything else. */
export function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
