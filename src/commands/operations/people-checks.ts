// What `doctor` looks at for the sake of people: rules for second factors, how factors and passwords are kept, mail that went nowhere, and brands of nobody.
import { type Client, createClientStore } from '../../clients/client-store.ts'
import { rolesIn, type SecondFactorRule, weakening } from '../../config/second-factor-rule.ts'
import type { Config } from '../../config.ts'
import type { Database } from '../../database/database.ts'
import { createSealing } from '../../sealing.ts'
import { brandedClients } from '../../server/pages/deployment-branding.ts'
import { everyPage } from '../registry/every-page.ts'
import { broken, type Finding, fine, warning } from './finding.ts'
import { createPeopleFacts, type SealedFactors } from './people-facts-store.ts'

const factors = 'second factors'

export async function checkSecondFactors(config: Config, database: Database): Promise<Finding[]> {
  const rule = config.login.secondFactor
  const clients = await everyPage(createClientStore({ database }).list, ({ clientId }) => clientId)
  const facts = createPeopleFacts({ database })
  // This server has one role of its own; the others are whatever accounts have.
  const roles = [...new Set(['owner', ...(await facts.roles())])]
  const findings = [
    ...unknownRoles('GATEHOUSE_SECOND_FACTOR', rule, 'Correct GATEHOUSE_SECOND_FACTOR', roles),
    ...clients.flatMap((client) => clientFindings(client, rule, roles)),
    ...sealedFindings(config, await facts.sealedFactors()),
  ]
  return findings.length > 0 ? findings : [fine(factors, `The rule is ${rule}; what is kept can be opened.`)]
}

function clientFindings(
  { clientId, name, secondFactor, isBuiltIn }: Client,
  rule: SecondFactorRule,
  roles: readonly string[],
): Finding[] {
  if (secondFactor === undefined || isBuiltIn) return []
  const what = `${clientId} (${name})`
  const update = `gatehouse clients update ${clientId} --second-factor`
  const unknown = unknownRoles(`The rule of ${what}`, secondFactor, `Run \`${update} RULE\``, roles)
  const weak = [[], ...roles.map((role) => [role])].map((held) => weakening(rule, secondFactor, held))
  const fix = `Run \`${update} default\`, unless that is what you want.`
  const about = `${what} has the rule ${secondFactor}, which asks for less than the deployment's ${rule}`
  if (weak.includes('in_effect'))
    return [...unknown, warning(factors, `${about}: people who have a second factor are let in without it.`, fix)]
  if (weak.includes('without_effect'))
    return [...unknown, warning(factors, `${about}; it lets nobody off whom that obliges.`, fix)]
  return unknown
}

function unknownRoles(what: string, rule: SecondFactorRule, fix: string, known: readonly string[]): Finding[] {
  const unknown = rolesIn(rule).filter((role) => !known.includes(role))
  if (unknown.length === 0) return []
  const list = unknown.join(', ')
  const message = `${what} names ${list}, ${unknown.length === 1 ? 'a role' : 'roles'} that nobody has: nobody is obliged by that.`
  return [warning(factors, message, `${fix}, or give somebody the role; known are ${known.join(', ')}.`)]
}

function sealedFindings({ sealingKeys }: Config, sealed: readonly SealedFactors[]): Finding[] {
  const { fingerprints } = createSealing(sealingKeys)
  const unreadable = sealed.filter(({ sealingKey }) => !fingerprints.includes(sealingKey))
  return unreadable.map(({ sealingKey, authenticators, recoveryCodes }) =>
    broken(
      factors,
      `Authenticator apps (${authenticators}) and recovery codes (${recoveryCodes}) are sealed under a key that is not configured (fingerprint ${sealingKey}): they let nobody in.`,
      'Put that key into GATEHOUSE_SEALING_KEYS_OLD. If it is lost, run `gatehouse accounts reset-mfa` for each of these people.',
    ),
  )
}

const named = (scheme: string) => (/^2[aby]$/.test(scheme) ? 'bcrypt' : scheme.replace(/-sealed$/, ''))

export async function checkPasswords(_: Config, database: Database): Promise<Finding[]> {
  const counts = new Map<string, number>()
  for (const { scheme, accounts } of await createPeopleFacts({ database }).foreignHashes())
    counts.set(named(scheme), (counts.get(named(scheme)) ?? 0) + accounts)
  if (counts.size === 0) return [fine('passwords', 'All are hashed with argon2id.')]
  const list = [...counts].map(([scheme, count]) => `${count} with ${scheme}`).join(', ')
  return [
    warning(
      'passwords',
      `Imported hashes have not been replaced yet: ${list}.`,
      'Each is replaced when its owner signs in. After some weeks take the rest away, as docs/passwords.md says.',
    ),
  ]
}

export async function checkMailQueue({ mail }: Config, database: Database): Promise<Finding[]> {
  const { late, lateReason, failed, uncertain, lastReason } = await createPeopleFacts({ database }).mail()
  const because = (reason: string | undefined) => (reason ? `; the last answer was: ${reason}` : '')
  const findings: Finding[] = []
  if (late > 0) {
    const fix = mail.server
      ? 'See that a server runs and reaches the mail server: its log tells each attempt. docs/mail.md says what to look for.'
      : 'No GATEHOUSE_SMTP_URL is set here: set it as the server has it, and see that one runs.'
    findings.push(warning('mail queue', `${messages(late)} waiting for more than an hour${because(lateReason)}.`, fix))
  }
  if (failed + uncertain > 0) {
    const counts = [
      ...(failed ? [`${failed} failed`] : []),
      ...(uncertain ? [`${uncertain} may or may not have arrived`] : []),
    ]
    const message = `Messages of the last day: ${counts.join(', ')}${because(lastReason)}.`
    const fix = 'They are not sent again: whoever waits asks for another. docs/mail.md says how to look at each.'
    findings.push(warning('mail queue', message, fix))
  }
  return findings.length > 0
    ? findings
    : [fine('mail queue', 'Nothing waits for long, and nothing failed in the last day.')]
}

const messages = (count: number) => (count === 1 ? 'One message is' : `${count} messages are`)

export async function checkBrandedClients(config: Config, database: Database): Promise<Finding[]> {
  const { find } = createClientStore({ database })
  const findings: Finding[] = []
  for (const id of brandedClients(config)) {
    if (await find(id)) continue
    const fix = 'Name the folder by the client_id, as `gatehouse clients list` shows it, or take it away.'
    findings.push(warning('branding', `clients/${id} is the brand of no client: there is none with this id.`, fix))
  }
  return findings
}
