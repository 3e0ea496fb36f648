// Stands between a server process and its PostgreSQL, and holds back the word that a transaction was committed.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CommitTrap {
  /** For the process that is to be caught. */
  url: string
  /** From now on: what happens once PostgreSQL has committed, and nobody but us knows. */
  arm(whenCommitted: () => void): void
  stop(): void
}

export async function startCommitTrap(databaseUrl: string): Promise<CommitTrap> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let whenCommitted: (() => void) | undefined

  const server = createServer((client) => {
    const postgres = connect(Number(target.port || 5432), target.hostname)
    for (const socket of [client, postgres]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        postgres.destroy()
      })
    }
    client.on('data', (chunk) => postgres.write(chunk))
    postgres.on('data', (chunk) => {
      // CommandComplete: the tag as text, with its final zero.
      if (whenCommitted && chunk.includes('COMMIT\0')) {
        const spring = whenCommitted
        whenCommitted = undefined
        spring()
      } else client.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    arm: (spring) => {
      whenCommitted = spring
    },
    stop: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
