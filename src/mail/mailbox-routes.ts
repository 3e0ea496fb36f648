// The development mailbox: what would have been sent, for whoever tries the server out.
import Router from '@koa/router'
import type { Context } from 'koa'
import type { MailboxEntry } from './mail-queue-store.ts'

interface Parts {
  list(limit: number): Promise<MailboxEntry[]>
  find(id: string): Promise<MailboxEntry | undefined>
  show(ctx: Context, view: string, data: Record<string, unknown>): void
}

const shown = 100
// A message is not one of our pages: it has no more rights than in a mail program. Its links may open, in a page of their own.
const messagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  'sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation'

/** Never mount it where people receive mail: it shows everybody every link. */
export function mailboxRoutes({ list, find, show }: Parts): Router {
  const router = new Router({ prefix: '/dev/mailbox' })

  router.get('/', async (ctx) => {
    const messages = (await list(shown)).map(({ id, ...message }) => ({
      ...inList(message),
      url: `/dev/mailbox/${id}`,
    }))
    show(ctx, 'mailbox', { messages })
  })

  router.get('/:id', async (ctx, next) => {
    const message = await find(ctx.params.id as string)
    if (!message) return next()
    const { id, text } = message
    const links = [...new Set(text.match(/https?:\/\/\S+/g) ?? [])]
    return show(ctx, 'mailbox-message', {
      ...inList(message),
      paragraphs: text.split(/\n\n+/).map((paragraph) => paragraph.split('\n')),
      links,
      htmlUrl: `/dev/mailbox/${id}/html`,
      listUrl: '/dev/mailbox',
    })
  })

  router.get('/:id/html', async (ctx, next) => {
    const message = await find(ctx.params.id as string)
    if (!message) return next()
    ctx.set({ 'Content-Security-Policy': messagePolicy, 'Cache-Control': 'no-store' })
    ctx.type = 'html'
    ctx.body = message.html
    return undefined
  })
  return router
}

const inList = ({ to, subject, createdAt }: Omit<MailboxEntry, 'id'>) => ({
  to,
  subject,
  when: `${createdAt.toISOString().slice(0, 19).replace('T', ' ')} UTC`,
})
