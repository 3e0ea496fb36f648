// Writes one JSON line for each thing that happened, without a logger that would have to be loaded.
export interface SidecarLog {
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
}

/** Levels and times as the server's own log has them. */
export function createSidecarLog(stream: { write(text: string): unknown }): SidecarLog {
  const write = (level: number) => (fields: Record<string, unknown>, message: string) =>
    stream.write(`${JSON.stringify({ level, time: Date.now(), ...fields, msg: message })}\n`)
  return { info: write(30), warn: write(40) }
}
