// Pages through a list by the last id seen, so that what is added or removed meanwhile neither repeats nor hides an entry.
import { badRequest } from '../http/errors.ts'
import { decodeUtf8, isStorable } from '../http/request/storable-text.ts'

export interface PageQuery {
  limit: number
  cursor?: string | undefined
}

export interface PageSource<Item> {
  /** The name of the list: a cursor of one list is no cursor of another. */
  name: string
  list(range: { after: string | undefined; limit: number }): Promise<Item[]>
  idOf(item: Item): string
}

export async function page<Item>({ limit, cursor }: PageQuery, { name, list, idOf }: PageSource<Item>) {
  const after = cursor === undefined ? undefined : idIn(cursor, name)
  // One more than asked for tells whether there is a next page.
  const found = await list({ after, limit: limit + 1 })
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return { items, next_cursor: found.length > limit && last !== undefined ? cursorTo(idOf(last), name) : null }
}

const cursorTo = (id: string, name: string): string => Buffer.from(`${name}:${id}`).toString('base64url')

function idIn(cursor: string, name: string): string {
  const bytes = Buffer.from(cursor, 'base64url')
  const text = decodeUtf8(bytes)
  const isOurs = bytes.toString('base64url') === cursor && text?.startsWith(`${name}:`) && isStorable(text)
  if (text && isOurs) return text.slice(name.length + 1)
  const message = 'The cursor must be a next_cursor of this list, unchanged.'
  throw badRequest('invalid_request', message, { extensions: { errors: [{ field: 'cursor', message }] } })
}
