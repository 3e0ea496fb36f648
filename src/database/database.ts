// The pool, named statements, and transactions that travel with a request; it knows no table.
import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'
import { DatabaseUnavailable, isFault, isRetryable } from './faults.ts'
import { createUnit, type Unit } from './unit.ts'

export interface Statement {
  /** Prepared under this name on each connection. */
  name: string
  text: string
}

export interface Database {
  /** Runs a statement in the transaction of the current request, if there is one. */
  query<Row extends object>(statement: Statement | string, values?: readonly unknown[]): Promise<Row[]>
  /** Commits when `work` returns, rolls back when it throws; joins a transaction that is under way. */
  transaction<T>(work: () => Promise<T>): Promise<T>
  /** As `transaction`, but begins at the first statement and asks at the end whether to commit. */
  unitOfWork<T>(work: () => Promise<T>, options: { shouldCommit(): boolean }): Promise<T>
  /** The transaction under way commits even if the answer turns out to be an error. */
  commitAnyway(): void
  isInTransaction(): boolean
  /** Runs once the transaction under way has committed, or at once when there is none. */
  afterCommit(action: () => void): void
  /** Runs outside the current transaction, on connections reserved for that, so that it stays whatever the answer. */
  independently<T>(work: () => Promise<T>): Promise<T>
  end(): Promise<void>
}

export interface DatabaseOptions {
  url: string
  poolSize: number
  preparedStatements: boolean
  onError(error: Error): void
  /** Called with each statement's text; tests count with it. */
  onQuery?(text: string): void
}

const limits = {
  connectionTimeoutMillis: 1000,
  query_timeout: 1500,
  statement_timeout: 1500,
  lock_timeout: 1000,
  idle_in_transaction_session_timeout: 5000,
  maxLifetimeSeconds: 1800,
  idleTimeoutMillis: 30_000,
}

function createPool(url: string, max: number, onError: (error: Error) => void): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max, application_name: 'gatehouse', ...limits })
  // Without listeners a lost connection ends the process (pg #2762).
  pool.on('error', onError)
  pool.on('connect', (client) => client.on('error', onError))
  return pool
}

export function createDatabase({ url, poolSize, preparedStatements, onError, onQuery }: DatabaseOptions): Database {
  const pool = createPool(url, poolSize, onError)
  // A request that holds one connection and waits for a second of the same pool can starve with the others like it.
  const reserved = createPool(url, 2, onError)
  const units = new AsyncLocalStorage<Unit | undefined>()
  const current = () => {
    const unit = units.getStore()
    return unit && !unit.isClosed() ? unit : undefined
  }

  const asked = (statement: Statement | string, values: readonly unknown[]): pg.QueryConfig => {
    const { text, name } = typeof statement === 'string' ? { text: statement, name: undefined } : statement
    onQuery?.(text)
    return { text, values: [...values], ...(name && preparedStatements ? { name } : undefined) }
  }

  async function query<Row extends object>(
    statement: Statement | string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    const config = asked(statement, values)
    const unit = current()
    try {
      const result = unit
        ? await unit.query<Row>(config)
        : await (units.getStore() === outside ? reserved : pool).query<Row>(config)
      return result.rows
    } catch (error) {
      if (!isFault(error) || error instanceof DatabaseUnavailable) throw error
      throw new DatabaseUnavailable(error)
    }
  }

  async function unitOfWork<T>(work: () => Promise<T>, { shouldCommit }: { shouldCommit(): boolean }): Promise<T> {
    if (current()) return work()
    const unit = createUnit(pool)
    return units.run(unit, async () => {
      let result: T
      try {
        result = await work()
      } catch (error) {
        await (unit.mustCommit() && !unit.fault() ? unit.commit() : unit.rollback())
        throw error
      }
      // Not inside the `try`: after a COMMIT that failed the connection is somebody else's, and must not hear our ROLLBACK.
      await (unit.mustCommit() || shouldCommit() ? unit.commit() : unit.rollback())
      return result
    })
  }

  async function transaction<T>(work: () => Promise<T>): Promise<T> {
    if (current()) return work()
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await unitOfWork(work, { shouldCommit: () => true })
      } catch (error) {
        if (attempt === 3 || !isRetryable(error)) throw error
        await new Promise((done) => setTimeout(done, Math.random() * 20 * attempt))
      }
    }
  }

  return {
    query,
    transaction,
    unitOfWork,
    commitAnyway: () => current()?.commitAnyway(),
    isInTransaction: () => current() !== undefined,
    afterCommit: (action) => {
      const unit = current()
      if (unit) unit.afterCommit(action)
      else action()
    },
    independently: (work) => units.run(outside, work),
    end: async () => {
      await Promise.all([pool.end(), reserved.end()])
    },
  }
}

// A unit that is always closed: statements under it go to the reserved connections.
const outside = Object.freeze({ isClosed: () => true }) as Unit
