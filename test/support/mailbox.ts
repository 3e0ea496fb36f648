// Reads what the server has written to somebody: the development mailbox keeps each message, sealed, in its queue.
import type { TestServer } from './test-server.ts'

export interface ReceivedMail {
  subject: string
  text: string
  html: string
  locale: string
}

/** Oldest first. */
export async function mailsTo({ server }: Pick<TestServer, 'server'>, address: string): Promise<ReceivedMail[]> {
  const { database, sealing } = server.stores
  const rows = await database.query<{ sealed_message: string }>(
    'SELECT sealed_message FROM mail_queue WHERE sealed_message IS NOT NULL ORDER BY created_at, id',
  )
  return rows
    .map((row) => JSON.parse(sealing.open(row.sealed_message, 'mail')) as ReceivedMail & { to: string })
    .filter(({ to }) => to.toLowerCase() === address.toLowerCase())
}

export async function lastMailTo(gatehouse: Pick<TestServer, 'server'>, address: string): Promise<ReceivedMail> {
  const mail = (await mailsTo(gatehouse, address)).at(-1)
  if (!mail) throw new Error(`Nothing was sent to ${address}.`)
  return mail
}

/** The six digits that stand alone on a line. */
export function codeIn({ text }: ReceivedMail): string {
  const code = /^\s*(\d{6})\s*$/m.exec(text)?.[1]
  if (!code) throw new Error(`There is no code in: ${text}`)
  return code
}

export function linkIn({ text }: ReceivedMail, path: string): string {
  const link = text.match(/https?:\/\/\S+/g)?.find((url) => new URL(url).pathname.includes(path))
  if (!link) throw new Error(`There is no link to ${path} in: ${text}`)
  return link
}
