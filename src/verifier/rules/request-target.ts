// Refuses request paths that two programs could read in two ways: whoever guards one must not let the other be reached.

/** Longer ones are nobody's, and every rule would be held against them. */
const longest = 8192

const checks: [RegExp, string][] = [
  [/^(?!\/)/, 'it does not begin with a slash'],
  [/[^!-~]/, 'it holds a character that must be percent-encoded'],
  [/[\\"<>^`{|}#?]/, 'it holds a character that must be percent-encoded'],
  [/%(?![0-9a-fA-F]{2})/, 'it holds a percent sign that encodes nothing'],
  [/\/\//, 'it holds an empty segment (//)'],
  [/(^|\/)\.{1,2}(\/|$)/, 'it holds a dot segment (. or ..)'],
  [/;/, 'it holds path parameters (;), which some servers cut off'],
  [/%(2f|5c)/i, 'it holds an encoded slash or backslash'],
  [/%(00|0[1-9a-f]|1[0-9a-f]|7f)/i, 'it holds an encoded control character'],
  [/%(3b|25)/i, 'it holds an encoded semicolon or percent sign, which some servers decode twice'],
  // RFC 3986 section 2.3: letters, digits, - . _ ~ mean the same encoded, so that %2e%2e is a dot segment.
  [/%(2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])/i, 'it encodes a character that needs no encoding'],
]

/** What is wrong with a path as it stands in the request line, without its query; undefined when it can be read in one way only. */
export function pathProblem(path: string): string | undefined {
  if (path.length > longest) return `it is longer than ${longest} characters`
  const found = checks.find(([pattern]) => pattern.test(path))
  if (found) return found[1]
  try {
    decodeURIComponent(path)
    return undefined
  } catch {
    return 'it is not UTF-8'
  }
}

/** What is wrong with the value of the Host header; undefined for a name or an address, with or without port, and for none (HTTP/1.0). */
export function hostProblem(host: string): string | undefined {
  const isHost = /^([\w.-]{1,255}|\[[0-9a-f:.]{2,45}\])?(:\d{1,5})?$/i.test(host)
  return isHost ? undefined : 'it is not a host name or an address'
}
