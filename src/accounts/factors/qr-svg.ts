// Draws a QR code as inline SVG: dark on light whatever the page's colours, and without style attributes, which the policy forbids.
import { encodeQR } from 'qr'

/** Say what it is beside it: to assistive technology it is a picture without words. */
export function qrSvg(text: string): string {
  // Four modules of quiet zone (ISO/IEC 18004).
  const rows = encodeQR(text, 'raw', { ecc: 'medium', border: 4 })
  const path = rows.flatMap((row, y) => runs(row).map(({ from, length }) => `M${from} ${y}h${length}v1h-${length}z`))
  const size = rows.length
  return (
    `<svg class="qr" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size * 4}" height="${size * 4}" ` +
    `shape-rendering="crispEdges" focusable="false" aria-hidden="true">` +
    `<path fill="#fff" d="M0 0h${size}v${size}h-${size}z"/><path fill="#000" d="${path.join('')}"/></svg>`
  )
}

/** Where dark modules stand in a row, neighbours taken together. */
function runs(row: readonly boolean[]): { from: number; length: number }[] {
  const found: { from: number; length: number }[] = []
  row.forEach((isDark, x) => {
    const last = found.at(-1)
    if (!isDark) return
    if (last && last.from + last.length === x) last.length += 1
    else found.push({ from: x, length: 1 })
  })
  return found
}
