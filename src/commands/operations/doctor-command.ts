// `gatehouse doctor`: looks at everything that a server needs, and says how to mend what is not right.
import { Command } from 'commander'
import { type Config, ConfigError } from '../../config.ts'
import { EmbeddedPostgresError } from '../../database/embedded-process.ts'
import { DatabaseUnavailable } from '../../database/faults.ts'
import { brandingProblems } from '../../server/pages/deployment-branding.ts'
import type { CommandParts } from '../command-parts.ts'
import { withConnection, withDatabaseUrl } from '../open-database.ts'
import { CommandRefusal, reasonOf } from '../refusals.ts'
import { checkDatabase } from './database-checks.ts'
import { broken, type Finding, fine, warning } from './finding.ts'
import { checkMail } from './mail-checks.ts'

export function doctorCommand({ config, terminal }: CommandParts): Command {
  return new Command('doctor').action(async () => {
    const findings = await examine(config)
    const count = findings.filter(({ status }) => status === 'broken').length
    terminal.print({ ok: count === 0, findings }, findings.map(findingText).join('\n'))
    if (count > 0) throw new CommandRefusal('broken', `${count === 1 ? 'One thing is' : `${count} things are`} broken.`)
  })
}

async function examine(load: () => Config): Promise<Finding[]> {
  const node = fine('node', `Node ${process.versions.node}.`)
  let config: Config
  try {
    config = load()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) =>
      broken('configuration', problem, 'Set it as it says, then run `doctor` again.'),
    )
  }
  return [
    node,
    ...configFindings(config),
    ...brandingFindings(config),
    ...(await databaseFindings(config)),
    ...(await checkMail(config)),
  ]
}

function configFindings({ production, insecureHttp, issuer }: Config): Finding[] {
  const valid = fine('configuration', `Valid, for ${production ? 'production' : 'development'}, issuer ${issuer}.`)
  if (!production || !insecureHttp) return [valid]
  const message = 'GATEHOUSE_INSECURE_HTTP is set: passwords and tokens may travel unencrypted.'
  return [valid, warning('configuration', message, 'Use an https issuer and unset it, unless TLS ends elsewhere.')]
}

function brandingFindings(config: Config): Finding[] {
  if (config.brandingDir === undefined) return []
  const problems = brandingProblems(config)
  if (problems.length === 0) return [fine('branding', `Valid, from ${config.brandingDir}.`)]
  return problems.map((problem) => broken('branding', problem, `Mend it in ${config.brandingDir}: docs/branding.md.`))
}

async function databaseFindings(config: Config): Promise<Finding[]> {
  try {
    return await withDatabaseUrl(config, (url) =>
      withConnection(config, url, (database) => checkDatabase(config, url, database)),
    )
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable || error instanceof EmbeddedPostgresError)) throw error
    const cause = error instanceof DatabaseUnavailable ? error.cause : error
    return [
      broken('database', `It does not answer: ${reasonOf(cause)}.`, 'Check DATABASE_URL, and that PostgreSQL runs.'),
    ]
  }
}

const marks = { ok: 'ok     ', warning: 'WARNING', broken: 'BROKEN ' }

const findingText = ({ status, check, message, fix }: Finding): string =>
  [`${marks[status]}  ${check}: ${message}`, ...(fix ? [`         ${fix}`] : [])].join('\n')
