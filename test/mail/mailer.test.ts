// What a message looks like, as text and as HTML, whatever its words hold.
import { createViews } from '../../src/http/views.ts'
import type { StoredMessage } from '../../src/mail/mail-queue-store.ts'
import { createMailer, type MailMessage } from '../../src/mail/mailer.ts'
import { common, translations, viewsDirectory } from '../support/spoken.ts'

const views = createViews({ directory: viewsDirectory, common })
const [english, arabic] = [translations.choose(['en']), translations.choose(['ar'])]
const whole: MailMessage = {
  to: 'mara@example.com',
  language: english,
  subject: 'A subject',
  heading: 'A heading',
  paragraphs: ['The first paragraph.', 'The second, with <b> & "quotes".'],
  action: { label: 'Go on', url: 'https://login.example.com/verify-email/kJ8s?a=1&b=2' },
  code: '482913',
  facts: [
    { label: 'When', value: '25 November 2026' },
    { label: 'Browser', value: 'Firefox' },
  ],
  closing: 'A closing.',
}

async function written(message: MailMessage): Promise<StoredMessage> {
  const stored: StoredMessage[] = []
  const store = { insert: async (one: StoredMessage) => void stored.push(one) }
  await createMailer({ store, views }).send(message)
  return stored[0] as StoredMessage
}

describe('a message as text', () => {
  it('holds everything, unescaped, in its order', async () => {
    const { text } = await written(whole)
    expect(text).toBe(`A heading

The first paragraph.

The second, with <b> & "quotes".

    482913

When
    25 November 2026
Browser
    Firefox

Go on
https://login.example.com/verify-email/kJ8s?a=1&b=2

A closing.

-- 
Gatehouse
`)
  })

  it('leaves out what there is not', async () => {
    const { text } = await written({
      ...whole,
      action: undefined,
      code: undefined,
      facts: [],
      closing: undefined,
    } as never)
    expect(text).toBe('A heading\n\nThe first paragraph.\n\nThe second, with <b> & "quotes".\n\n-- \nGatehouse\n')
  })

  it('is in any script as it is', async () => {
    const { text, subject } = await written({
      ...whole,
      language: arabic,
      subject: 'مرحبا',
      paragraphs: ['👩‍👩‍👧 書店'],
    })
    expect([text.includes('👩‍👩‍👧 書店'), subject]).toEqual([true, 'مرحبا'])
  })
})

describe('a message as HTML', () => {
  it('escapes words, and links the action by its button and in full', async () => {
    const { html } = await written(whole)
    expect(html).toContain('The second, with &lt;b&gt; &amp; &quot;quotes&quot;.')
    const url = 'https://login.example.com/verify-email/kJ8s?a=1&amp;b=2'
    expect(html.split(`href="${url}"`)).toHaveLength(3)
    expect(html).toContain(`>${url}</a>`)
    expect(html).toContain('482913')
  })

  it('reads from right to left where the language does, but for addresses', async () => {
    const { html } = await written({ ...whole, language: arabic })
    expect(html).toMatch(/^<!doctype html>\n<html lang="ar" dir="rtl">/)
    expect(html).toMatch(/<a [^>]*dir="ltr"[^>]*>https:/)
    expect(html).not.toMatch(/(margin|padding|border|text-align):?-?(left|right)/)
  })

  it('loads nothing, runs nothing, and leaves the colours to light and dark', async () => {
    const { html } = await written(whole)
    expect(html).not.toMatch(/<script|<img|<link|<table|src=|url\(| on[a-z]+=/i)
    expect(html).toContain('<meta name="color-scheme" content="light dark">')
    const button = /<a href="[^"]*" style="([^"]*)"/.exec(html)?.[1] ?? ''
    expect(button).toContain('background:#0b6b57;color:#ffffff')
    expect(html.replace(button, '')).not.toMatch(/[;"](color|background):(?!inherit)/)
  })
})

describe('words that mean harm', () => {
  const hostile = 'a\r\nBcc: evil@example.com\n\n\n<script>alert(1)</script>\u202egro.knab\u202c\u0000\u001b[31m\ud800'

  it('stay in their line, without control characters and overrides', async () => {
    const message = await written({
      ...whole,
      subject: hostile,
      heading: hostile,
      paragraphs: [hostile],
      facts: [{ label: hostile, value: hostile }],
      closing: hostile,
      code: hostile,
    })
    const plain = 'a Bcc: evil@example.com <script>alert(1)</script>gro.knab [31m'
    expect(message.subject).toBe(plain)
    expect(message.text.split('\n').filter((line) => line.trim() === plain)).toHaveLength(6)
    for (const text of [message.text, message.html, message.subject]) {
      expect(text).not.toMatch(/(?!\n)\p{Cc}|[\u202a-\u202e]|\p{Cs}/u)
      expect(text).not.toMatch(/^Bcc/m)
    }
    expect(message.html).not.toContain('<script')
  })
})
