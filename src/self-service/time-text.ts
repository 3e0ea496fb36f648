// Writes points in time as HTML, in a reader's language, in the time zone of their profile or else in UTC, and saying which.
export interface Times {
  /** To the minute. */
  time(date: Date): string
  day(date: Date): string
}

export function timesFor(locale: string, zoneinfo: unknown): Times {
  const timeZone = zoneOf(zoneinfo)
  const day = { year: 'numeric', month: 'short', day: 'numeric', timeZone } as const
  const days = new Intl.DateTimeFormat(locale, day)
  const times = new Intl.DateTimeFormat(locale, {
    ...day,
    hour: 'numeric',
    minute: '2-digit',
    timeZoneName: 'short',
  })
  const element = (date: Date, words: string) => `<time datetime="${date.toISOString()}">${words}</time>`
  return {
    time: (date) => element(date, times.format(date)),
    day: (date) => element(date, days.format(date)),
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
