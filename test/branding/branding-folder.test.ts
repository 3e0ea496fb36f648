// What a branding folder may hold, and the sentence for everything that it may not.
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createBranding } from '../../src/branding/branding.ts'
import { readBranding } from '../../src/branding/read-branding.ts'
import { brandingFolder, drawing, exampleFolder, ourViews, type TemporaryFolder } from '../support/branding-folder.ts'

const folders: TemporaryFolder[] = []
const folderOf = (files: Record<string, string | Buffer>) => {
  const folder = brandingFolder(files)
  folders.push(folder)
  return folder.path
}
afterAll(() => {
  for (const folder of folders) folder.remove()
})

const read = (directory: string) => readBranding({ directory, viewsDirectory: ourViews })
const problemsOf = (files: Record<string, string | Buffer>): string[] => {
  const result = read(folderOf(files))
  return result.ok ? [] : result.problems
}
const brandingOf = (files: Record<string, string | Buffer>) => {
  const result = read(folderOf(files))
  if (!result.ok) throw new Error(result.problems.join('\n'))
  return createBranding({ productName: 'Gatehouse', folder: () => result.folder })
}
const settings = (values: object) => ({ 'branding.json': JSON.stringify(values) })
const png = Buffer.from('89504e470d0a1a0a0000', 'hex')

describe('a folder', () => {
  it('may be empty, hold any part alone, or be the whole example', () => {
    expect(problemsOf({})).toEqual([])
    expect(problemsOf({ 'logo.png': png })).toEqual([])
    expect(problemsOf(settings({ name: 'Northwind' }))).toEqual([])
    expect(read(exampleFolder).ok).toBe(true)
  })

  it('may be kept in git, or mounted as links that stay inside of it', () => {
    const path = folderOf({
      '.git/config': 'x',
      'README.md': 'x',
      LICENSE: 'x',
      '..2026/branding.json': '{"name":"N"}',
    })
    symlinkSync('..2026/branding.json', join(path, 'branding.json'))
    const result = read(path)
    expect(result.ok && result.folder.deployment.settings).toEqual({ name: 'N' })
  })

  it('tells all problems at once', () => {
    const problems = problemsOf({
      ...settings({ brandColor: 'red', colour: '#fff', termsUrl: 'terms' }),
      'logo.svg': drawing('<script>1</script>'),
      'logo.jpg': 'x',
      'clients/client_a/branding.json': '{',
    })
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      ...['logo.jpg', 'branding.json', 'branding.json', 'branding.json'],
      ...['logo.svg', 'clients/client_a/branding.json'],
    ])
  })
})

describe('a folder is refused', () => {
  const big = (bytes: number) => Buffer.alloc(bytes, 0x20)

  it.each<[string, Record<string, string | Buffer>, string]>([
    ['no JSON', { 'branding.json': '{ name' }, 'branding.json: is no JSON: '],
    ['no object', { 'branding.json': '[]' }, 'branding.json: must be an object with some of name, brandColor'],
    [
      'an unknown key',
      settings({ colour: '#fff' }),
      'branding.json: colour is no setting; there are name, brandColor, ',
    ],
    [
      'a named colour',
      settings({ brandColor: 'red' }),
      'branding.json: brandColor "red" is no colour: write it as #rgb or #rrggbb.',
    ],
    [
      'CSS for a colour',
      settings({ groundColor: '#fff;}*{display:none' }),
      'groundColor "#fff;}*{display:none" is no colour',
    ],
    [
      'a colour that cannot be read',
      settings({ brandColor: '#FC0' }),
      'branding.json: brandColor #ffcc00 stands out too little on light pages: ',
    ],
    ['an empty name', settings({ name: ' ' }), 'branding.json: name must not be empty.'],
    ['a long name', settings({ name: 'n'.repeat(61) }), 'branding.json: name must have at most 60 characters.'],
    [
      'a name that lies',
      settings({ name: 'gro.\u202eknab' }),
      'branding.json: name must not hold control or direction characters.',
    ],
    [
      'a script for a link',
      settings({ termsUrl: 'javascript:alert(1)' }),
      'branding.json: termsUrl must be a whole address that begins with https: or http:.',
    ],
    [
      'a mail address for terms',
      settings({ privacyUrl: 'mailto:a@b.example' }),
      'branding.json: privacyUrl must be a whole address',
    ],
    [
      'half an address',
      settings({ supportUrl: '/help' }),
      'supportUrl must be a whole address that begins with https: or http: or mailto:.',
    ],
    [
      'a large logo',
      { 'logo.png': Buffer.concat([png, big(200_000)]) },
      'logo.png: has 200010 bytes; at most 200000 are allowed. Make it smaller.',
    ],
    [
      'a large client logo',
      { 'clients/client_a/logo.svg': big(200_001) },
      'clients/client_a/logo.svg: has 200001 bytes',
    ],
    ['two logos', { 'logo.png': png, 'logo.svg': drawing() }, 'logo.svg: there is logo.png too. Keep one of them.'],
    [
      'a logo for dark pages alone',
      { 'logo-dark.svg': drawing() },
      'logo-dark.svg: there is no logo for light pages. Add logo.svg or logo.png.',
    ],
    [
      'a PNG that is none',
      { 'logo.png': '<svg/>' },
      'logo.png: is no PNG file, whatever its name says. Export it again.',
    ],
    ['an icon that is none', { 'favicon.ico': png }, 'favicon.ico: is no ICO file'],
    ['a font that is none', { 'fonts/inter.woff2': 'x' }, 'fonts/inter.woff2: is no WOFF2 file'],
    [
      'a kind of picture that is not known',
      { 'logo.jpg': 'x' },
      'logo.jpg: no such name is known here. Known are branding.json, logo.svg',
    ],
    [
      'a file that would be served by mistake',
      { 'custom.css.bak': 'x', 'fonts/../secret.txt': 'x' },
      'custom.css.bak, secret.txt: no such name is known here.',
    ],
    [
      'a view that is not there',
      { 'views/signin.eta': 'x' },
      'views/signin.eta: overrides nothing, since no view has this name. Partials of your own belong into views/partials/.',
    ],
    [
      'a view with a mistake',
      { 'views/sign-in.eta': '<% if (it.error { %>' },
      'views/sign-in.eta: Bad template syntax. Compare it with ours.',
    ],
    [
      'a view that never ends',
      { 'views/sign-in.eta': '<h1><%= it.title' },
      'views/sign-in.eta: unclosed tag at line 1 col 5. Compare it with ours.',
    ],
    [
      'a language that is none',
      { 'locales/d_e/all.json': '{}' },
      'locales/d_e/all.json: d_e is no language tag. Write it like de or pt-BR.',
    ],
    ['a language in the wrong case', { 'locales/EN/all.json': '{}' }, 'locales/EN/all.json: EN is no language tag.'],
    ['texts that are no JSON', { 'locales/en/all.json': '{,}' }, 'locales/en/all.json: is no JSON: '],
    [
      'nested texts',
      { 'locales/en/all.json': '{"a":{"b":"c"}}' },
      'locales/en/all.json: must be an object of texts by their keys',
    ],
    [
      'texts for one client',
      { 'clients/client_a/locales/en/a.json': '{}' },
      'clients/client_a/locales/en/a.json: texts are the same for every client.',
    ],
    [
      'clients within a client',
      { 'clients/client_a/clients/client_b/logo.svg': drawing() },
      'clients/client_a/clients/: no such name is known here.',
    ],
    [
      'a file among the clients',
      { 'clients/logo.svg': drawing() },
      'clients/logo.svg: must be a folder that bears the id of a client.',
    ],
    [
      'a client that no client can be',
      { 'clients/a b/logo.svg': drawing() },
      'clients/a b: must be a folder that bears the id of a client.',
    ],
    [
      "a client's colour",
      { 'clients/client_a/branding.json': '{"brandColor":"#fc0"}' },
      'clients/client_a/branding.json: brandColor #ffcc00 stands out too little',
    ],
  ])('for %s', (_, files, sentence) => {
    expect(problemsOf(files)).toEqual([expect.stringContaining(sentence)])
  })

  it('when it is not there, or is no folder', () => {
    const path = folderOf({ 'branding.json': '{}' })
    for (const wrong of [join(path, 'nowhere'), join(path, 'branding.json')])
      expect(read(wrong)).toEqual({
        ok: false,
        problems: [`${wrong} is no folder that can be read. Name the folder that holds branding.json.`],
      })
  })

  it('for a link that leads out of it', () => {
    const outside = folderOf({ 'logo.svg': drawing() })
    const path = folderOf({})
    symlinkSync(join(outside, 'logo.svg'), join(path, 'logo.svg'))
    symlinkSync('/etc', join(path, 'views'))
    mkdirSync(join(path, 'clients'))
    symlinkSync(outside, join(path, 'clients/client_a'))
    const result = read(path)
    const problems = result.ok ? [] : result.problems
    expect(problems).toContain('logo.svg: leads out of the branding folder. Copy the file into it.')
    expect(problems).toContain('clients/client_a/logo.svg: leads out of the branding folder. Copy the file into it.')
    expect(problems.some((problem) => problem.startsWith('views/'))).toBe(true)
  })

  it('without being walked through, when the variable names the wrong one', () => {
    const started = performance.now()
    const result = read('/')
    expect(result.ok).toBe(false)
    expect(!result.ok && result.problems[0]).toMatch(
      /^[\w.+/-]+(, [\w.+/-]+){4} and \d+ more: no such name is known here/,
    )
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('for a file that may not be read', () => {
    const path = folderOf({})
    symlinkSync('nowhere.svg', join(path, 'logo.svg'))
    expect(read(path)).toEqual({ ok: false, problems: ['logo.svg: cannot be read (ENOENT). Check it and its rights.'] })
  })
})

describe('a drawing', () => {
  it.each([
    ['shapes', drawing()],
    ['a style of its own', drawing('<style>.a{fill:#123}</style><path class="a" style="stroke:url(#g)"/>')],
    [
      'places in itself',
      drawing('<defs><g id="a"/></defs><use href="#a"/><use xlink:href=\'#a\'/><path fill="url( \'#g\' )"/>'),
    ],
    ['a picture of its own', drawing('<image href="data:image/png;base64,AAAA"/>')],
    ['an XML declaration', `<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn by hand -->\n${drawing()}`],
    ['a harmless animation', drawing('<rect><animate attributeName="x" to="5"/></rect>')],
  ])('may hold %s', (_, svg) => expect(problemsOf({ 'logo.svg': svg })).toEqual([]))

  it.each([
    ['a script', drawing('<script>alert(1)</script>'), 'a script'],
    ['a script in another namespace', drawing('<svg:SCRIPT href="#a"/>'), 'a script'],
    ['an event handler', drawing('', ' onload="alert(1)"'), 'an event handler'],
    ['an event handler after a slash', drawing('<image/onerror=alert(1) />'), 'an event handler'],
    ['HTML', drawing('<foreignObject><b>x</b></foreignObject>'), 'foreign content'],
    ['a frame', drawing('<iframe srcdoc="x"/>'), 'foreign content'],
    ['an entity', `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>${drawing('&x;')}`, 'a document type'],
    ['a script for a link', drawing('<a href="javascript:alert(1)"><path/></a>'), 'a script'],
    ['a script in disguise', drawing('<a href="&#106;ava&#x73;cript:alert(1)"/>'), 'a script'],
    [
      'a picture from elsewhere',
      drawing('<image href="https://evil.example/p.png"/>'),
      'a reference to something outside',
    ],
    ['one without a scheme', drawing("<image xlink:href='//evil.example/p.png'/>"), 'a reference to something outside'],
    ['one without quotes', drawing('<use href=/assets/x.svg#a />'), 'a reference to something outside'],
    ['a drawing within', drawing('<image href="data:image/svg+xml,x"/>'), 'a reference to something outside'],
    ['a page within', drawing('<use href="data:text/html,x"/>'), 'a reference to something outside'],
    [
      'a fill from elsewhere',
      drawing('<path fill="url(https://evil.example/#a)"/>'),
      'a reference to something outside',
    ],
    ['a fill in disguise', drawing('<path style="fill:\\75rl(//evil.example)"/>'), 'a reference to something outside'],
    [
      'a style sheet from elsewhere',
      drawing('<style>@import "//evil.example"</style>'),
      'a style sheet from elsewhere',
    ],
    ['one by instruction', `<?xml-stylesheet href="#a"?>${drawing()}`, 'a style sheet from elsewhere'],
    ['a link that an animation makes', drawing('<a><set attributeName="href" to="x"/></a>'), 'a script'],
    ['other than UTF-8', Buffer.from(drawing(), 'utf16le'), 'text that is not UTF-8'],
    ['what claims another encoding', `<?xml version="1.0" encoding="utf-7"?>${drawing()}`, 'text that is not UTF-8'],
    ['no drawing', '<html></html>', 'no <svg> element'],
  ])('must not hold %s', (_, svg, what) => {
    expect(problemsOf({ 'logo.svg': svg })).toEqual([expect.stringContaining(`logo.svg: holds ${what}`)])
    expect(problemsOf({ 'clients/client_a/favicon.svg': svg })).toHaveLength(1)
  })
})

describe('the brand of a client', () => {
  const deployment = {
    ...settings({
      name: 'Northwind',
      brandColor: '#1d4e89',
      brandColorDark: '#8db9ec',
      groundColor: '#eef2f6',
      termsUrl: 'https://n.example/t',
    }),
    'logo.svg': drawing(),
    'logo-dark.svg': drawing(),
    'favicon.svg': drawing(),
    'custom.css': '/**/',
  }

  it('is the deployment’s in everything that its folder does not give', () => {
    const branding = brandingOf({ ...deployment, 'clients/client_a/views/error.eta': 'x' })
    const { viewFolders, ...rest } = branding.of('client_a')
    const { viewFolders: _, ...usual } = branding.of()
    expect(rest).toEqual(usual)
    expect(viewFolders).toEqual([expect.stringMatching(/clients\/client_a\/views$/)])
    expect(branding.of('client_b')).toEqual(branding.of())
  })

  it('sets its colour whole: the shade for dark pages is derived from it, on the ground of the deployment', () => {
    const branding = brandingOf({ ...deployment, 'clients/client_a/branding.json': '{"brandColor":"#7a3b12"}' })
    const css = String(branding.files().get('clients/client_a/brand.css'))
    expect(css).toContain('--brand: #7a3b12')
    expect(css).not.toContain('#8db9ec')
    expect(css).toContain('--ground: #eef2f6')
    expect(branding.of('client_a')).toMatchObject({
      colours: { brand: '#7a3b12', onBrand: '#ffffff' },
      stylesheets: ['brand/brand.css', 'brand/custom.css', 'clients/client_a/brand.css'],
    })
  })

  it('replaces the logo with its dark twin, and adds links to those of the deployment', () => {
    const branding = brandingOf({
      ...deployment,
      'clients/client_a/logo.png': png,
      'clients/client_a/branding.json': '{"supportUrl":"mailto:a@b.example","termsUrl":"https://a.example/"}',
    })
    expect(branding.of('client_a').logo).toEqual({
      file: 'clients/client_a/logo.png',
      darkFile: undefined,
      isAlone: true,
    })
    expect(branding.of('client_a').links).toEqual([
      { kind: 'terms', url: 'https://a.example/' },
      { kind: 'support', url: 'mailto:a@b.example' },
    ])
  })

  it('writes a name of its own beside a logo that is not its own', () => {
    const named = (more: object, files = {}) =>
      brandingOf({
        ...deployment,
        ...files,
        'clients/client_a/branding.json': JSON.stringify({ name: 'A', ...more }),
      }).of('client_a').logo?.isAlone
    expect([named({}), named({ nameBesideLogo: false }), named({}, { 'clients/client_a/logo.png': png })]).toEqual([
      false,
      true,
      true,
    ])
    expect(named({ nameBesideLogo: true }, { 'clients/client_a/logo.png': png })).toBe(false)
  })

  it('serves nothing but pictures, styles and fonts', () => {
    const branding = brandingOf({
      ...deployment,
      'views/error.eta': 'x',
      'locales/en/a.json': '{}',
      'fonts/inter.woff2': 'wOF2',
      'clients/client_a/branding.json': '{}',
      'clients/client_a/views/error.eta': 'x',
      'clients/client_a/custom.css': '',
    })
    expect([...branding.files().keys()].sort()).toEqual([
      ...['brand/brand.css', 'brand/custom.css', 'brand/favicon.svg', 'brand/fonts/inter.woff2'],
      ...['brand/logo-dark.svg', 'brand/logo.svg', 'clients/client_a/custom.css'],
    ])
  })

  it('is not found by names that every object has', () => {
    const branding = brandingOf(deployment)
    for (const id of ['__proto__', 'constructor', '', '..']) expect(branding.of(id)).toEqual(branding.of())
  })
})

describe('the example', () => {
  it('is read within a tenth of a second', () => {
    const started = performance.now()
    read(exampleFolder)
    expect(performance.now() - started).toBeLessThan(100)
  })
})
