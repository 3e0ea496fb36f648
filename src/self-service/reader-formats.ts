// Writes times and lists for one reader: in their language, in the time zone of their profile or else in UTC, and saying which.
export interface ReaderFormats {
  /** As HTML, to the minute. */
  time(date: Date): string
  /** As HTML. */
  day(date: Date): string
  /** As text. */
  list(words: readonly string[]): string
}

export function formatsFor(locale: string, zoneinfo: unknown): ReaderFormats {
  const timeZone = zoneOf(zoneinfo)
  const day = { year: 'numeric', month: 'short', day: 'numeric', timeZone } as const
  const days = new Intl.DateTimeFormat(locale, day)
  const times = new Intl.DateTimeFormat(locale, {
    ...day,
    hour: 'numeric',
    minute: '2-digit',
    timeZoneName: 'short',
  })
  const lists = new Intl.ListFormat(locale)
  const element = (date: Date, words: string) => `<time datetime="${date.toISOString()}">${words}</time>`
  return {
    time: (date) => element(date, times.format(date)),
    day: (date) => element(date, days.format(date)),
    list: (words) => lists.format(words),
  }
}

function zoneOf(zoneinfo: unknown): string {
  if (typeof zoneinfo !== 'string') return 'UTC'
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zoneinfo }).resolvedOptions().timeZone
  } catch {
    return 'UTC'
  }
}
