// `gatehouse sidecar`: checks the requests for one service beside it. Loads neither the server, the engine nor the database.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { createSidecar } from '../../sidecar/sidecar.ts'
import { createSidecarLog } from '../../sidecar/sidecar-log.ts'
import { slimFetch } from '../../sidecar/slim-fetch.ts'
import { createVerifier, type RouteRule } from '../../verifier/verifier.ts'
import { collect, wholeNumber } from '../option-values.ts'
import { UsageError } from '../refusals.ts'

interface Options {
  upstream: string
  audience: string
  issuer?: string
  requireScope?: string[]
  requireRole?: string[]
  requireAcr?: string[]
  rules?: string
  port: number
  host: string
}

interface Parts {
  /** The issuer of this machine's configuration; throws ConfigError. */
  issuer(): Promise<string>
  stdout: { write(text: string): unknown }
}

const limits = { connect: 5_000, head: 30_000, drain: 10_000 }

export function sidecarCommand({ issuer, stdout }: Parts): Command {
  return new Command('sidecar')
    .description('a proxy beside a service that lets through what carries a good token')
    .requiredOption('--upstream <url>', 'the service, such as http://127.0.0.1:8080')
    .requiredOption('--audience <uri>', "the service's audience, as tokens carry it in aud")
    .option('--issuer <uri>', 'the issuer of the tokens (default: GATEHOUSE_ISSUER)')
    .option('--require-scope <scope>', 'a scope that every token must have; may be repeated', collect)
    .option('--require-role <role>', 'a role; of several, one is enough', collect)
    .option('--require-acr <acr>', 'an authentication level; of several, one is enough', collect)
    .option('--rules <file>', 'rules by host, path and method, a JSON list; what none is for is refused')
    .option('--port <number>', 'where it listens', wholeNumber, 8081)
    .option('--host <address>', 'where it listens', '127.0.0.1')
    .action(async (options: Options) => {
      const log = createSidecarLog(stdout)
      const sidecar = build(options, options.issuer ?? (await issuer()), log)
      sidecar.http.listen(options.port, options.host)
      await once(sidecar.http, 'listening')
      log.info({ address: sidecar.http.address(), upstream: options.upstream }, 'listening')
      const signal = await stopSignal()
      log.info({ signal }, 'stopping')
      await sidecar.stop()
    })
}

function build(options: Options, issuer: string, log: ReturnType<typeof createSidecarLog>) {
  const { audience, requireScope: requiredScopes, requireRole: roles, requireAcr: acrValues } = options
  if (options.rules && roles)
    throw new UsageError('--require-role does not go with --rules: name the roles in the rules.')
  const upstream = upstreamOf(options.upstream)
  try {
    const verifier = createVerifier({
      issuer,
      audience,
      fetch: slimFetch,
      ...(requiredScopes && { requiredScopes }),
      ...(acrValues && { acrValues }),
    })
    const rules = options.rules ? readRules(options.rules) : [{ paths: ['/**'], ...(roles && { roles }) }]
    const sidecar = createSidecar({ verifier, rules, upstream, log, limits })
    // Ahead of the first request; the readiness check asks again.
    verifier.prepare().catch((error: Error) => log.warn({ error: error.message }, 'no keys yet'))
    return sidecar
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}

function upstreamOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search || url.hash || url.username || url.password)
    throw new UsageError('--upstream must be http://HOST:PORT, without a path: the service beside this process.')
  return url
}

function readRules(file: string): RouteRule[] {
  let rules: unknown
  try {
    rules = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`--rules: ${file} cannot be read as JSON: ${error instanceof Error ? error.message : error}`)
  }
  if (!Array.isArray(rules) || rules.length === 0) throw new UsageError(`--rules: ${file} must hold a list of rules.`)
  if (rules.some((rule) => typeof rule !== 'object' || rule === null))
    throw new UsageError(`--rules: every entry of ${file} must be an object.`)
  return rules as RouteRule[]
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, resolve)
  })
}
