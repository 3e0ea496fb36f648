// The languages of views/locales/, as the server reads them, and the pages in them.
import { fileURLToPath } from 'node:url'
import { createAssets } from '../../src/http/assets.ts'
import { createViews } from '../../src/http/views.ts'
import { createTranslations } from '../../src/language/translations.ts'
import { packagedAssets } from '../../src/server/pages/packaged-assets.ts'
import type { SamplePage } from './sample-pages.ts'

export const viewsDirectory = fileURLToPath(new URL('../../views', import.meta.url))
export const translations = createTranslations({ directory: `${viewsDirectory}/locales` })
export const assets = createAssets({ directory: `${viewsDirectory}/assets`, packaged: packagedAssets() })
export const common = { productName: 'Gatehouse', assetUrl: assets.assetUrl, languages: translations.languages }

const views = createViews({ directory: viewsDirectory, common })

export const sampleHtml = ({ view, data, locale = 'en' }: SamplePage): string =>
  views.render(view, { returnTo: '/here?a=1&b=2', ...data }, translations.choose([locale]))

/** The only two scripts that a page may have, by their addresses. */
export const ourScripts = ['simplewebauthn.js', 'passkey.js'].map(assets.assetUrl)
