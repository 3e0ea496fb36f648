// Joins the look-ups of one turn of the event loop into one statement; each sees the database as of a moment after it asked.
export interface KeyedLookupParts<Row> {
  fetch(keys: Buffer[]): Promise<Row[]>
  keyOf(row: Row): Buffer
}

interface Waiting<Row> {
  keys: Buffer[]
  resolve(row: Row | undefined): void
  reject(error: unknown): void
}

/** Finds the row whose key is one of those given. */
export function createKeyedLookup<Row>({ fetch, keyOf }: KeyedLookupParts<Row>) {
  let waiting: Waiting<Row>[] = []

  const flush = async () => {
    const batch = waiting
    waiting = []
    const wanted = new Map(batch.flatMap(({ keys }) => keys.map((key) => [key.toString('hex'), key] as const)))
    try {
      const rows = new Map((await fetch([...wanted.values()])).map((row) => [keyOf(row).toString('hex'), row] as const))
      for (const { keys, resolve } of batch) {
        resolve(keys.map((key) => rows.get(key.toString('hex'))).find((row) => row !== undefined))
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return (keys: Buffer[]): Promise<Row | undefined> =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(flush)
      waiting.push({ keys, resolve, reject })
    })
}
