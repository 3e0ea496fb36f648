// A browser reduced to what matters here: it keeps cookies by path, follows redirects one at a time, and fills in forms.
export interface Page {
  status: number
  url: URL
  headers: Headers
  text: string
  /** Where it redirects to, resolved; undefined when it does not. */
  location: URL | undefined
}

interface Cookie {
  value: string
  path: string
}

export interface UserAgent {
  /** Host by host and path by path, as a browser keeps them. */
  cookies: Map<string, Cookie>
  request(url: string | URL, init?: RequestInit): Promise<Page>
  /** Follows redirects until one leaves `origin`, or a page is shown. */
  visit(url: string | URL): Promise<Page>
  /** Sends the page's form whose action ends in `action` with these fields beside its own; then follows. */
  submit(page: Page, action: string, fields?: Record<string, string>): Promise<Page>
  /** The same cookies, from now on apart. */
  clone(): UserAgent
}

export function createUserAgent(cookies = new Map<string, Cookie>()): UserAgent {
  const cookieHeader = (url: URL) =>
    [...cookies]
      .filter(
        ([, { path }]) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`),
      )
      .map(([key, { value }]) => `${key.split(' ')[0]}=${value}`)
      .join('; ')

  const keep = (header: string) => {
    const [pair = '', ...attributes] = header.split(/;\s*/)
    const name = pair.slice(0, pair.indexOf('='))
    const value = pair.slice(pair.indexOf('=') + 1)
    const attribute = (key: string) =>
      attributes.find((entry) => entry.toLowerCase().startsWith(`${key}=`))?.split('=')[1]
    const path = attribute('path') ?? '/'
    const expires = attribute('expires')
    if (value === '' || (expires && new Date(expires) < new Date())) cookies.delete(`${name} ${path}`)
    else cookies.set(`${name} ${path}`, { value, path })
  }

  const request = async (target: string | URL, init: RequestInit = {}): Promise<Page> => {
    const url = new URL(target)
    const cookie = cookieHeader(url)
    const response = await fetch(url, {
      redirect: 'manual',
      ...init,
      headers: {
        accept: 'text/html',
        'sec-fetch-site': 'same-origin',
        ...(cookie ? { cookie } : undefined),
        ...init.headers,
      },
    })
    for (const header of response.headers.getSetCookie()) keep(header)
    const location = response.headers.get('location')
    return {
      status: response.status,
      url,
      headers: response.headers,
      text: await response.text(),
      location: location ? new URL(location, url) : undefined,
    }
  }

  const follow = async (page: Page): Promise<Page> => {
    let current = page
    for (let hops = 0; current.location && current.location.origin === page.url.origin && hops < 10; hops += 1) {
      current = await request(current.location)
    }
    return current
  }

  return {
    cookies,
    request,
    visit: async (url) => follow(await request(url)),
    submit: async (page, action, fields = {}) => {
      const form = formOf(page.text, action)
      const body = new URLSearchParams({ ...form.fields, ...fields })
      return follow(await request(new URL(form.action, page.url), { method: 'POST', body }))
    },
    clone: () => createUserAgent(new Map([...cookies].map(([key, cookie]) => [key, { ...cookie }]))),
  }
}

/** An attribute's value, as a browser reads it. */
export const decoded = (text: string): string =>
  text
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')

/** The action and the hidden fields of a form. */
export function formOf(html: string, action: string): { action: string; fields: Record<string, string> } {
  for (const [, attributes = '', content = ''] of html.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)) {
    const target = decoded(/action="([^"]*)"/.exec(attributes)?.[1] ?? '')
    if (!target.split('?')[0]?.endsWith(action)) continue
    const hidden = [...content.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [
      /name="([^"]*)"/.exec(input)?.[1] ?? '',
      decoded(/value="([^"]*)"/.exec(input)?.[1] ?? ''),
    ])
    return { action: target, fields: Object.fromEntries(hidden) }
  }
  throw new Error(
    `The page has no form for ${action}: ${html
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .slice(0, 500)}`,
  )
}
