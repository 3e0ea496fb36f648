// Stops the PostgreSQL that the run began with.
type Shared = typeof globalThis & { testPostgres?: { stop(): Promise<void> } }

export default async function globalTeardown(): Promise<void> {
  const shared: Shared = globalThis
  await shared.testPostgres?.stop()
}
