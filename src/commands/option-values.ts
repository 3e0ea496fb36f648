// How commands take their options: several of one kind, and whole numbers.
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { CommandRefusal, reasonOf } from './refusals.ts'

/** For options that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** A whole number, of seconds or of anything else. */
export function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}

/** The JSON file that an option names. */
export function readJsonFile(path: string): object {
  const text = textOf(path)
  try {
    return Object(JSON.parse(text))
  } catch {
    throw new CommandRefusal('invalid', `${path} is not JSON.`)
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandRefusal('invalid', `${path} cannot be read: ${reasonOf(error)}.`)
  }
}
