// `gatehouse healthcheck`: asks the server on this machine whether it is ready; for a container's health check.
import { Command } from 'commander'
import type { Config } from '../../config.ts'
import type { CommandParts } from '../command-parts.ts'
import { CommandRefusal, reasonOf } from '../refusals.ts'

const limit = 3000

export function healthcheckCommand({ config, terminal }: CommandParts): Command {
  return new Command('healthcheck')
    .description('exit 0 when the server on this machine is ready, else 1')
    .action(async () => {
      const url = `http://${address(config())}/readyz`
      const response = await ask(url)
      if (response.status !== 200)
        throw new CommandRefusal('not_ready', `${url} answers ${response.status}: ${await response.text()}`)
      terminal.print({ ready: true, url }, 'ready')
    })
}

function address({ http: { host, port } }: Config): string {
  const isAny = host === '0.0.0.0' || host === '::'
  const name = isAny ? '127.0.0.1' : host
  return `${name.includes(':') ? `[${name}]` : name}:${port}`
}

async function ask(url: string): Promise<Response> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(limit), redirect: 'manual' })
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    throw new CommandRefusal('not_reachable', `${url} does not answer: ${reasonOf(cause ?? error)}.`)
  }
}
