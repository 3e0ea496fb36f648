import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http, { type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Koa from 'koa'
import request from 'supertest'
import { createAssets } from '../../src/http/assets.ts'
import { createViews } from '../../src/http/views.ts'
import { endless, hostileText, samplePages, spoiled } from '../support/sample-pages.ts'
import { assets, common, viewsDirectory as directory, sampleHtml, translations } from '../support/spoken.ts'
import { decoded } from '../support/user-agent.ts'

const { english } = translations
const views = createViews({ directory, common })
const titles = samplePages.map((page) => [`${page.view} (${page.state})`, page] as const)

/** Ours by their address, which the policy allows; nothing stands in them. */
const ownScript = /<script src="\/assets\/[a-z]+\.js\?v=[\w-]{16}" defer><\/script>/g
const withoutOwnScripts = (html: string) => html.replace(ownScript, '')

function temporaryFolder(files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-views-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

describe('the hosted pages as markup', () => {
  it('has a sample for each template', () => {
    const templates = readdirSync(directory).filter((name) => name.endsWith('.eta'))
    expect([...new Set(samplePages.map(({ view }) => `${view}.eta`))].sort()).toEqual(templates.sort())
  })

  it.each(titles)('%s is one whole document without inline script, inline style or a hole in it', (_, sample) => {
    const html = withoutOwnScripts(sampleHtml(sample))
    expect(html).toMatch(/^<!doctype html>\n<html lang="en" dir="ltr">/)
    expect(html.match(/<h1[ >]/g)).toHaveLength(1)
    expect(html).not.toMatch(/<script|<style| style=| on[a-z]+=|javascript:/i)
    expect(html).not.toMatch(/undefined|\[object|NaN|<%|%>/)
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it.each(titles)('%s lets no field break out of its place', (_, { view, data }) => {
    const spoiledData = spoiled(data, hostileText) as Record<string, unknown>
    const html = withoutOwnScripts(views.render(view, spoiledData, english))
    const elements = (text: string) =>
      text.match(/<[a-z][a-z0-9]*/g)?.filter((tag) => tag !== '<a' && tag !== '<li' && tag !== '<ul')
    // The same elements as with honest data: links that a hostile client may not have are the only ones to go.
    expect(html).not.toMatch(/<script|<img|javascript:/i)
    expect(elements(html)?.length).toBe(elements(withoutOwnScripts(views.render(view, data, english)))?.length)
    expect(html).not.toMatch(/[\p{Cf}\p{Co}]|(?!\n)\p{Cc}/u)
  })

  it.each(titles)('%s cuts text that is too long', (_, { view, data }) => {
    const html = views.render(view, spoiled(data, endless) as Record<string, unknown>, english)
    const longest = Math.max(0, ...[...html.matchAll(/W+/g)].map(([run]) => run.length))
    expect(longest).toBeLessThanOrEqual(600)
    expect(html.length).toBeLessThan(20_000)
  })

  it('cuts a client name at 80 characters, never inside one', () => {
    const html = views.render('signed-out', { clientName: '😀'.repeat(200) }, english)
    expect(html).toContain(`<bdi>${'😀'.repeat(79)}…</bdi>`)
  })

  it('keeps honest names in any script as they are', () => {
    for (const name of ['Ægir & søn', "L'Été", 'חנות הספרים', '書店', '👩‍👩‍👧 Family']) {
      const html = views.render('signed-out', { clientName: name }, english)
      expect(html).toContain(`<bdi>${name.replace('&', '&amp;').replace("'", '&#39;')}</bdi>`)
    }
  })

  it('keeps the options of a passkey whole, in their attribute', () => {
    const forms = samplePages.flatMap((sample) => {
      const [, options] = /data-options="([^"]*)"/.exec(sampleHtml(sample)) ?? []
      return options === undefined ? [] : [[decoded(options), sample.data.passkeyOptions]]
    })
    expect(forms.length).toBeGreaterThan(3)
    for (const [shown, given] of forms) expect(shown).toBe(given)
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', '//evil.example', 'ftp://files.example/', ' '])(
    'links no policy at %j',
    (policyUri) => {
      const consent = samplePages.find(({ view }) => view === 'consent')
      const html = views.render('consent', { ...consent?.data, policyUri }, english)
      expect(html).not.toContain('Privacy policy')
      expect(html).toContain('Terms of service')
    },
  )

  it('fails loudly for a page that does not exist, and never leaves its folder', () => {
    expect(() => views.render('no-such-page', {}, english)).toThrow(/Could not find template/)
    expect(() => views.render('../package.json', {}, english)).toThrow(/not in the views directory/)
  })
})

describe('reading the templates', () => {
  it('reads each once, or at every render where a developer edits them', () => {
    const folder = temporaryFolder({ 'page.eta': 'before' })
    const cached = createViews({ directory: folder, common })
    const reloading = createViews({ directory: folder, common, isReloading: true })
    expect([cached, reloading].map((one) => one.render('page', {}, english))).toEqual(['before', 'before'])
    writeFileSync(join(folder, 'page.eta'), 'after')
    expect([cached, reloading].map((one) => one.render('page', {}, english))).toEqual(['before', 'after'])
    rmSync(folder, { recursive: true })
  })
})

describe('serving the assets', () => {
  let server: Server
  let port: number

  beforeAll(async () => {
    const app = new Koa()
    app.use(assets.serve)
    app.use((ctx) => {
      ctx.status = 404
      ctx.body = 'passed on'
    })
    await new Promise<void>((resolve) => {
      server = app.listen(0, '127.0.0.1', resolve)
    })
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => server.close())

  it('lets a browser keep a file for good under the address that carries its hash', async () => {
    const answer = await request(server).get(assets.assetUrl('gatehouse.css'))
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    })
    expect(answer.text).toBe(readFileSync(join(directory, 'assets/gatehouse.css'), 'utf8'))
  })

  it('asks it to look again under any other address, and then says that nothing changed', async () => {
    for (const query of ['', '?v=old', '?v=', '?v=a&v=b']) {
      const answer = await request(server).get(`/assets/favicon.svg${query}`)
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-cache', 'content-type': 'image/svg+xml' })
      const again = await request(server)
        .get(`/assets/favicon.svg${query}`)
        .set('If-None-Match', answer.headers.etag ?? '')
      expect({ status: again.status, text: again.text }).toMatchObject({ status: 304 })
    }
  })

  it('answers HEAD without a body and refuses to be written to', async () => {
    const head = await request(server).head('/assets/gatehouse.css')
    expect(head.status).toBe(200)
    expect(Number(head.headers['content-length'])).toBeGreaterThan(1000)
    const post = await request(server).post('/assets/gatehouse.css')
    expect({ status: post.status, allow: post.headers.allow }).toEqual({ status: 405, allow: 'GET, HEAD' })
  })

  it.each([
    ...['/assets/', '/assets', '/assets/nothing.css', '/assets/../sign-in.eta', '/assets/%2e%2e/sign-in.eta'],
    ...['/assets/..%2fsign-in.eta', '/assets//gatehouse.css', '/assets/./gatehouse.css', '/assets/gatehouse.css/'],
    ...['/assets/gatehouse.css%00', '/assets/GATEHOUSE.CSS', '/assets/%67atehouse.css', '/assets/constructor'],
  ])('passes %s on to whoever answers unknown paths', async (path) => {
    // By hand, since friendlier clients tidy the path before they send it.
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      http
        .get({ host: '127.0.0.1', port, path }, (message) => {
          let text = ''
          message.on('data', (chunk) => {
            text += chunk
          })
          message.on('end', () => resolve({ status: message.statusCode, text }))
        })
        .on('error', reject)
    })
    expect(answer).toEqual({ status: 404, text: 'passed on' })
  })

  it('serves only kinds of file that it knows', async () => {
    const folder = temporaryFolder({ 'a.css': 'a', 'notes.md': 'secret', '.env': 'secret' })
    mkdirSync(join(folder, 'folder.css'))
    const { assetUrl } = createAssets({ directory: folder })
    expect(assetUrl('a.css')).toMatch(/^\/assets\/a\.css\?v=[\w-]{16}$/)
    for (const name of ['notes.md', '.env', 'folder.css']) expect(() => assetUrl(name)).toThrow(/no asset named/)
    rmSync(folder, { recursive: true })
  })

  it('serves a file of a package under the name that it was given, and by no other', async () => {
    const folder = temporaryFolder({ 'index.min.js': 'void 0' })
    const packaged = { 'packaged.js': join(folder, 'index.min.js') }
    const made = createAssets({ directory: join(directory, 'assets'), packaged })
    const app = new Koa()
    app.use(made.serve)
    const answer = await request(app.callback()).get(made.assetUrl('packaged.js'))
    expect([answer.status, answer.text]).toEqual([200, 'void 0'])
    expect(answer.headers['content-type']).toBe('text/javascript; charset=utf-8')
    expect((await request(app.callback()).get('/assets/index.min.js')).status).toBe(404)
    expect(made.assetUrl('gatehouse.css')).toBe(assets.assetUrl('gatehouse.css'))
    rmSync(folder, { recursive: true })
  })

  it('gives a changed file a new address while a developer edits it', () => {
    const folder = temporaryFolder({ 'a.css': 'a' })
    const { assetUrl } = createAssets({ directory: folder, isReloading: true })
    const before = assetUrl('a.css')
    writeFileSync(join(folder, 'a.css'), 'b')
    expect(assetUrl('a.css')).not.toBe(before)
    rmSync(folder, { recursive: true })
  })
})
