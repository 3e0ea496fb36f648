// The check beside the service: the real `gatehouse sidecar` as a process of its own, before a service that knows nothing of tokens.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RouteRule } from '../../src/verifier/verifier.ts'
import { type Placement, sendRaw } from './placement.ts'

const launcher = join(import.meta.dirname, '../../bin/gatehouse.js')

export interface RunningSidecar {
  port: number
  pid: number
  log(): string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
}

export async function startSidecar(args: string[]): Promise<RunningSidecar> {
  const child = spawn(process.execPath, [launcher, 'sidecar', '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  const exited = once(child, 'exit') as Promise<[number | null]>
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      text += chunk
      const found = /"port":(\d+)\},"upstream".*"listening"/.exec(text)?.[1]
      if (found) resolve(Number(found))
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    exited.then(([code]) => reject(new Error(`The sidecar ended with ${code}: ${text}`)))
  })
  return {
    port,
    pid: child.pid ?? 0,
    log: () => text,
    async stop() {
      child.kill('SIGTERM')
      return (await exited)[0]
    },
  }
}

/** A service without any check of its own. */
export async function startService(
  handler: RequestListener,
): Promise<{ url: string; server: Server; stop(): Promise<void> }> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

const seenAsIdentity = (name: string) => /^x.auth.(subject|client.id|scope|roles|acr)$/i.test(name)

export async function withRules<Result>(rules: RouteRule[], use: (file: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-rules-'))
  try {
    await writeFile(join(folder, 'rules.json'), JSON.stringify(rules))
    return await use(join(folder, 'rules.json'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

export const sidecarPlacement: Placement = {
  name: 'sidecar',
  async start({ issuer, audience, rules }) {
    let reached = 0
    const service = await startService((request, response) => {
      reached += 1
      const identity: Record<string, string> = {}
      request.rawHeaders.forEach((name, index) => {
        if (index % 2 === 1 || !seenAsIdentity(name)) return
        const key = name.toLowerCase()
        // Two of one kind would show, and so would another spelling.
        identity[key] = [identity[key], request.rawHeaders[index + 1]].filter(Boolean).join(' AND ')
      })
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ reached: true, identity }))
    })
    const sidecar = await withRules(rules, (file) =>
      startSidecar(['--upstream', service.url, '--audience', audience, '--issuer', issuer, '--rules', file]),
    )
    return {
      async send(request) {
        const before = reached
        const answer = await sendRaw(sidecar.port, request)
        if (answer.isReached !== reached > before)
          throw new Error('The service was asked, and the client does not see it.')
        return answer
      },
      async stop() {
        await sidecar.stop()
        await service.stop()
      },
    }
  },
}
