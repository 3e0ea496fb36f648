// Prints what a command found, as text for people or as JSON for scripts, and its failure as one line on stderr.
export interface Terminal {
  isJson(): boolean
  /** The result: `json` with --json, else `text`. */
  print(json: object, text: string): void
  /** As it is, in either form. */
  line(text: string): void
  /** Something for a person beside the result; left out with --json. */
  note(text: string): void
  /** In one line, whatever the message. */
  fail(code: string, message: string): void
  /** Over several lines: where all problems are listed at once. */
  failAtLength(code: string, message: string): void
}

export interface TerminalParts {
  isJson(): boolean
  stdout: { write(text: string): unknown }
  stderr: { write(text: string): unknown }
}

export function createTerminal({ isJson, stdout, stderr }: TerminalParts): Terminal {
  const fail = (code: string, message: string) =>
    stderr.write(`${isJson() ? JSON.stringify({ error: code, message }) : message}\n`)
  return {
    isJson,
    print: (json, text) => stdout.write(`${isJson() ? JSON.stringify(json, null, 2) : text}\n`),
    line: (text) => stdout.write(`${text}\n`),
    note: (text) => {
      if (!isJson()) stderr.write(`${text}\n`)
    },
    fail: (code, message) => fail(code, oneLine(message)),
    failAtLength: fail,
  }
}

const oneLine = (text: string) => text.trim().replace(/\s*\n\s*/g, ' ')

/** Columns as wide as their widest cell. */
export function table(header: string[], rows: string[][], empty: string): string {
  if (rows.length === 0) return empty
  const lines = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** One `name  value` line for each value that is there; a list takes a line for each of its entries. */
export function lines(values: Record<string, string | number | boolean | string[] | undefined>): string {
  const shown = Object.entries(values).filter(
    ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  )
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown
    .flatMap(([name, value]) =>
      [value].flat().map((entry, index) => `${(index === 0 ? name : '').padEnd(width)}  ${entry}`),
    )
    .join('\n')
}
