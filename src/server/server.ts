// The composition root: builds a node from its stores, what decides and what answers, and starts and stops it.
import { createServer as createHttpServer } from 'node:http'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createSweeper } from '../oidc/sweeper.ts'
import { createApp } from './app.ts'
import { closeGently } from './graceful-close.ts'
import { createSending } from './mail-sending.ts'
import { createNode } from './node.ts'
import { createDeploymentBranding } from './pages/deployment-branding.ts'
import { accountDeletion } from './pages/self-service.ts'
import { createStores } from './stores.ts'

export interface ServerParts {
  config: Config
  /** Of the PostgreSQL that serves this node. */
  databaseUrl: string
  log: Logger
  /** Hears the text of every statement; tests count with it. */
  onQuery?: (text: string) => void
}

export type Server = ReturnType<typeof createServer>

const limits = { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 }

export function createServer(parts: ServerParts) {
  const { log } = parts
  // Before anything is opened: it may refuse the start.
  const branding = createDeploymentBranding(parts)
  const stores = createStores(parts)
  const node = createNode(parts, stores, branding)
  const http = createHttpServer(limits, createApp(parts, stores, node).callback())
  const deletion = accountDeletion(parts, stores, node)
  const sweep = async () => {
    await stores.expiry.removeExpired()
    await node.keyRing.removeRetired()
    await deletion.deleteDue()
    await node.factors.resealing.run()
  }
  const sweeper = createSweeper({
    sweep,
    logError: (error) => log.warn({ err: error }, 'clean-up failed; it will be tried again'),
  })

  const mailSender = createSending(parts, stores)

  return {
    http,
    node,
    stores,
    /** One round of clean-up, as it is done every few seconds. */
    sweep,
    /** Resolves when this node is ready, however long the database takes. */
    start: async (): Promise<void> => {
      await node.readiness.start()
      node.keyWatcher.start(node.currentKeys())
      sweeper.start()
      mailSender?.start()
    },
    /** Takes no more requests, answers those that have begun, and lets go of everything. */
    stop: async (): Promise<void> => {
      node.readiness.drain()
      await closeGently(http)
      await node.background.drain()
      await node.keyWatcher.stop()
      await sweeper.stop()
      await mailSender?.stop()
      await stores.listener.stop()
      await node.passwordStrength.close()
      await stores.database.end()
    },
  }
}
