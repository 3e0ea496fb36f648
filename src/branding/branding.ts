// Says which brand a page wears: the deployment's, or that of the client whose flow it belongs to; and which files it is made of.
import { brandStyle } from './brand-style.ts'
import type { BrandingSettings } from './branding-settings.ts'
import type { Files } from './folder-files.ts'
import { paletteOf } from './palette.ts'
import { type BrandFolder, type BrandingFolder, coloursOf } from './read-branding.ts'

/** What pages and mail are told. Files are named as `assetUrl` takes them. */
export interface Brand {
  name: string
  logo: { file: string; darkFile: string | undefined; isAlone: boolean } | undefined
  favicon: string | undefined
  /** After ours, in this order. */
  stylesheets: readonly string[]
  links: readonly { kind: 'terms' | 'privacy' | 'support'; url: string }[]
  /** For mail, which has no stylesheet: the colours of light pages, when they are not ours. */
  colours: { brand: string; onBrand: string } | undefined
  /** Looked through before our own views, in this order. */
  viewFolders: readonly string[]
}

export interface Branding {
  /** The client's, where it has one; without a client, the deployment's. */
  of(clientId?: string): Brand
  /** Everything that is served, by the name under /assets/. */
  files(): ReadonlyMap<string, Buffer>
  localeFolders(): readonly string[]
}

export interface BrandingOptions {
  /** The name of a deployment that gives itself none. */
  productName: string
  /** Undefined without a branding folder. Asked at each use: it is as fresh as whoever reads it wants. */
  folder(): BrandingFolder | undefined
}

interface Worn {
  brand: Brand
  files: Files
}
interface Wardrobe {
  deployment: Worn
  clients: ReadonlyMap<string, Worn>
}

const isServed = (name: string) => /^(logo|logo-dark|favicon)\.|^custom\.css$|^fonts\//.test(name)

export function createBranding({ productName, folder }: BrandingOptions): Branding {
  const made = new WeakMap<BrandingFolder, Wardrobe>()
  const wardrobe = (): Wardrobe => {
    const current = folder()
    if (!current) return { deployment: { brand: plain(productName), files: new Map() }, clients: new Map() }
    const known = made.get(current) ?? wardrobeOf(current, productName)
    made.set(current, known)
    return known
  }
  return {
    of: (clientId) => {
      const { deployment, clients } = wardrobe()
      return (clientId === undefined ? undefined : clients.get(clientId))?.brand ?? deployment.brand
    },
    files: () => {
      const { deployment, clients } = wardrobe()
      return new Map([deployment, ...clients.values()].flatMap(({ files }) => [...files]))
    },
    localeFolders: () => [folder()?.localeFolder].filter((path) => path !== undefined),
  }
}

const plain = (name: string): Brand => ({
  name,
  logo: undefined,
  favicon: undefined,
  stylesheets: [],
  links: [],
  colours: undefined,
  viewFolders: [],
})

function wardrobeOf(folder: BrandingFolder, productName: string): Wardrobe {
  const deployment = dressed(folder, folder.deployment, 'brand', plain(productName))
  const clients = [...folder.clients].map(
    ([id, client]) => [id, dressed(folder, client, `clients/${id}`, deployment.brand)] as const,
  )
  return { deployment, clients: new Map(clients) }
}

/** What a folder doesn't give comes from `below`. */
function dressed(
  folder: BrandingFolder,
  { settings, files, viewFolder }: BrandFolder,
  place: string,
  below: Brand,
): Worn {
  const served = new Map<string, Buffer>()
  for (const [name, body] of files) if (isServed(name)) served.set(`${place}/${name}`, body)
  const given = coloursOf(folder.deployment.settings, settings)
  const style = hasColours(settings) ? brandStyle(given, folder.tokens) : undefined
  if (style) served.set(`${place}/brand.css`, Buffer.from(style))
  const find = (stem: string) => [...served.keys()].find((name) => name.startsWith(`${place}/${stem}.`))
  const logo = find('logo')
  // A name of its own beside a logo that is another's must be read somewhere.
  const isAlone =
    settings.nameBesideLogo === undefined ? logo !== undefined || !settings.name : !settings.nameBesideLogo
  const own = [find('brand'), find('custom')].filter((name) => name !== undefined)
  return {
    files: served,
    brand: {
      name: settings.name ?? below.name,
      logo: logo
        ? { file: logo, darkFile: find('logo-dark'), isAlone }
        : below.logo && { ...below.logo, isAlone: isAlone && below.logo.isAlone },
      favicon: find('favicon') ?? below.favicon,
      stylesheets: [...below.stylesheets, ...own],
      links: linksOf(settings, below),
      colours: mailColours(given, folder),
      viewFolders: [...(viewFolder ? [viewFolder] : []), ...below.viewFolders],
    },
  }
}

const hasColours = ({ brandColor, brandColorDark, groundColor, groundColorDark }: BrandingSettings): boolean =>
  Boolean(brandColor ?? brandColorDark ?? groundColor ?? groundColorDark)

function mailColours(given: ReturnType<typeof coloursOf>, { tokens }: BrandingFolder): Brand['colours'] {
  const { brand, 'on-brand': onBrand } = paletteOf(given, 'light', tokens)
  return brand && onBrand ? { brand, onBrand } : undefined
}

function linksOf({ termsUrl, privacyUrl, supportUrl }: BrandingSettings, below: Brand): Brand['links'] {
  const given = { terms: termsUrl, privacy: privacyUrl, support: supportUrl }
  return (['terms', 'privacy', 'support'] as const).flatMap((kind) => {
    const url = given[kind] ?? below.links.find((link) => link.kind === kind)?.url
    return url ? [{ kind, url }] : []
  })
}
