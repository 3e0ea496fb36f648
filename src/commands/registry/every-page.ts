// Reads a list to its end, page by page.
const pageSize = 500

export async function everyPage<Item>(
  list: (page: { after: string; limit: number }) => Promise<Item[]>,
  idOf: (item: Item) => string,
): Promise<Item[]> {
  const all: Item[] = []
  for (let after = ''; ; ) {
    const page = await list({ after, limit: pageSize })
    all.push(...page)
    const last = page.at(-1)
    if (!last || page.length < pageSize) return all
    after = idOf(last)
  }
}
