// `gatehouse trusted-issuers`: declares issuers outside whose JWTs may be exchanged, as exchange policies allow it.
import { Command, Option } from 'commander'
import { createTrustedIssuerRegistration } from '../../clients/exchange/trusted-issuer-registration.ts'
import {
  createTrustedIssuerStore,
  type SubjectClaim,
  subjectClaims,
  type TrustedIssuer,
} from '../../clients/exchange/trusted-issuer-store.ts'
import { outwardUriProblem } from '../../oidc/policy/outward-uri.ts'
import type { CommandParts } from '../command-parts.ts'
import { type OpenDatabase, withDatabase } from '../open-database.ts'
import { readJsonFile } from '../option-values.ts'
import { CommandRefusal, notFound, refuseProblems } from '../refusals.ts'
import { everyPage } from '../registry/every-page.ts'
import { lines, table } from '../terminal.ts'

interface CreateOptions {
  issuer: string
  audience?: string
  jwksUri?: string
  jwksFile?: string
  subjectClaim?: SubjectClaim
}

export function trustedIssuersCommand(parts: CommandParts): Command {
  const group = new Command('trusted-issuers')
  for (const add of [addCreate, addOthers]) add(group, parts)
  return group
}

function addCreate(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('create')
    .description('trust an issuer outside; each exchange needs a policy for it as well')
    .requiredOption('--issuer <url>', 'exactly as it stands in iss')
    .option('--audience <value>', 'what its JWTs for this server carry in aud; this server’s issuer by default')
    .option('--jwks-uri <url>', 'where its public keys are')
    .option('--jwks-file <path>', 'a file with its public keys, instead of --jwks-uri')
    .addOption(
      new Option('--subject-claim <claim>', 'what names an account here, sub by default').choices(subjectClaims),
    )
    .action((options: CreateOptions) =>
      withDatabase(config(), async (open) => {
        const { issuer, audience, jwksUri, jwksFile, subjectClaim } = options
        const jwks = jwksFile === undefined ? undefined : readJsonFile(jwksFile)
        const created = await registration(open).create({ issuer, audience, jwksUri, jwks, subjectClaim })
        if (!created.ok)
          throw created.reason
            ? new CommandRefusal('taken', `${issuer} is trusted already: delete it, then declare it again.`)
            : refuseProblems(created.problems)
        terminal.print(issuerJson(created.issuer), issuerText(created.issuer))
      }),
    )
}

function addOthers(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('list')
    .description('all trusted issuers')
    .action(() =>
      withDatabase(config(), async (open) => {
        const all = await everyPage(createTrustedIssuerStore(open).list, ({ issuer }) => issuer)
        const rows = all.map((one) => [one.issuer, one.audience, one.subjectClaim, one.jwksUri ?? 'keys given'])
        const text = table(['ISSUER', 'AUDIENCE', 'ACCOUNT BY', 'KEYS'], rows, 'No issuer outside is trusted.')
        terminal.print({ trusted_issuers: all.map(issuerJson) }, text)
      }),
    )
  group
    .command('show <issuer>')
    .description('one trusted issuer')
    .action((issuer: string) =>
      withDatabase(config(), async (open) => {
        const found = await createTrustedIssuerStore(open).find(issuer)
        if (!found) throw notFound('trusted issuer', issuer)
        terminal.print(issuerJson(found), issuerText(found))
      }),
    )
  group
    .command('delete <issuer>')
    .description('trust it no longer; its exchange policies go with it')
    .action((issuer: string) =>
      withDatabase(config(), async (open) => {
        if (!(await createTrustedIssuerStore(open).remove(issuer))) throw notFound('trusted issuer', issuer)
        terminal.print({ issuer, deleted: true }, `Deleted ${issuer}.`)
      }),
    )
}

const registration = (open: OpenDatabase) =>
  createTrustedIssuerRegistration({
    store: createTrustedIssuerStore(open),
    issuer: open.config.issuer,
    outwardUriProblem,
  })

const issuerJson = (one: TrustedIssuer) => ({
  issuer: one.issuer,
  audience: one.audience,
  ...(one.jwksUri === undefined ? { jwks: one.jwks } : { jwks_uri: one.jwksUri }),
  subject_claim: one.subjectClaim,
  created_at: one.createdAt.toISOString(),
})

const issuerText = (one: TrustedIssuer) =>
  lines({
    issuer: one.issuer,
    audience: one.audience,
    keys: one.jwksUri ?? `${one.jwks?.keys.length ?? 0} given`,
    'account by': one.subjectClaim,
  })
