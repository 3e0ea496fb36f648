// Opens what commands need to help people: links under the servers' sealing key, and messages as the servers would write them.
import { join } from 'node:path'
import { createAccountMail } from '../../accounts/account-mail.ts'
import { type AccountSupport, createAccountSupport, type Operator } from '../../accounts/account-support.ts'
import { createActivityLog } from '../../accounts/activity-log.ts'
import { createOneTimeLinkStore } from '../../accounts/one-time-link-store.ts'
import { createViews } from '../../http/views.ts'
import { createTranslations } from '../../language/translations.ts'
import { createMailQueueStore } from '../../mail/mail-queue-store.ts'
import { createMailer } from '../../mail/mailer.ts'
import { createDeploymentBranding } from '../../server/pages/deployment-branding.ts'
import type { OpenDatabase } from '../open-database.ts'
import { demandSealingKey } from '../open-key-ring.ts'
import { openAccounts, openFactors, openLocks } from './open-accounts.ts'

/** Whoever reaches the database may do everything. */
export const atTheShell: Operator = { demand: () => undefined }

export async function openSupport(open: OpenDatabase): Promise<AccountSupport> {
  await demandSealingKey(open)
  const { config, database, sealing } = open
  const { issuer, mail } = config
  const links = createOneTimeLinkStore({ database, sealing })
  const { views, translations, productName } = openWords(open)
  // Only queued: a server sends it, or shows it in the development mailbox.
  const store = createMailQueueStore({ database, sealing, keepsMessages: !mail.server })
  return createAccountSupport({
    issuer,
    transaction: database.transaction,
    accounts: open.accounts,
    registration: openAccounts(open),
    links,
    factorStore: openFactors(open),
    locks: openLocks(open),
    activity: createActivityLog({ database }),
    accountMail: createAccountMail({
      mailer: createMailer({ store, views }),
      translations,
      productName,
      issuer,
      links,
    }),
    endEverything: open.revocation.endEverything,
  })
}

function openWords({ config }: OpenDatabase) {
  const branding = createDeploymentBranding({ config, log: { warn: () => undefined } })
  const productName = branding.of().name
  const directory = join(config.root, 'views')
  const translations = createTranslations({
    directory: join(directory, 'locales'),
    overrides: branding.localeFolders(),
  })
  // A message loads nothing.
  const common = { productName, assetUrl: (name: string) => name }
  return { views: createViews({ directory, common, brand: branding.of }), translations, productName }
}
