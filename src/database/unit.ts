// One transaction on one connection: it begins at its first statement, runs statements one at a time, and remembers a fault.
import type pg from 'pg'
import { DatabaseUnavailable, isFault } from './faults.ts'

export interface Unit {
  query<Row extends pg.QueryResultRow>(config: pg.QueryConfig): Promise<pg.QueryResult<Row>>
  commit(): Promise<void>
  rollback(): Promise<void>
  commitAnyway(): void
  mustCommit(): boolean
  afterCommit(action: () => void): void
  fault(): DatabaseUnavailable | undefined
  isClosed(): boolean
}

export function createUnit(pool: pg.Pool): Unit {
  const actions: (() => void)[] = []
  let client: pg.PoolClient | undefined
  let tail: Promise<unknown> = Promise.resolve()
  let fault: DatabaseUnavailable | undefined
  let closed = false
  let kept = false

  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    // After a fault the connection is of no use, and each further wait would add up to a hang.
    if (fault) throw fault
    try {
      return await work()
    } catch (error) {
      if (!isFault(error)) throw error
      fault = new DatabaseUnavailable(error)
      throw fault
    }
  }

  const send = async <Row extends pg.QueryResultRow>(config: pg.QueryConfig) => {
    if (!client) {
      client = await pool.connect()
      await client.query('BEGIN')
    }
    return client.query<Row>(config)
  }

  const close = async (command: 'COMMIT' | 'ROLLBACK') => {
    await tail.catch(() => undefined)
    closed = true
    if (!client) {
      if (fault && command === 'COMMIT') throw fault
      return
    }
    if (fault) {
      client.release(fault)
      if (command === 'COMMIT') throw fault
      return
    }
    try {
      const result = await client.query(command)
      client.release()
      // COMMIT of a transaction in which a statement failed answers ROLLBACK, and is no error for the driver.
      if (result.command !== command) throw new DatabaseUnavailable(new Error('The transaction was rolled back.'))
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error
      client.release(error as Error)
      if (command === 'COMMIT') throw new DatabaseUnavailable(error)
    }
  }

  return {
    query: (config) => {
      // The engine runs some deletes in Promise.all; one connection takes one statement after another.
      const next = tail.catch(() => undefined).then(() => attempt(() => send(config)))
      tail = next
      return next as never
    },
    commit: async () => {
      await close('COMMIT')
      for (const action of actions) action()
    },
    rollback: () => close('ROLLBACK'),
    commitAnyway: () => {
      kept = true
    },
    mustCommit: () => kept,
    afterCommit: (action) => actions.push(action),
    fault: () => fault,
    isClosed: () => closed,
  }
}
