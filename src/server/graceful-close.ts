// Closes an HTTP server without cutting off anybody who is being answered.
import type { Server } from 'node:http'

/** Resolves when all is answered, or after `limit` milliseconds. */
export async function closeGently(server: Server, limit = 8000): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // Connections that were busy become idle one after the other; keep-alive would hold them open.
  const sweep = setInterval(() => server.closeIdleConnections(), 50)
  const cut = setTimeout(() => server.closeAllConnections(), limit)
  await closed
  clearInterval(sweep)
  clearTimeout(cut)
}
