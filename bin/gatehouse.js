#!/usr/bin/env node
// Starts Gatehouse on a Node that can run it: src/ in a clone, dist/ in the published package. Plain JavaScript that an old Node can parse.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const ownNode = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

if (!isTooOld(process.versions.node)) run()
else if (existsSync(ownNode) && realpathSync(ownNode) !== realpathSync(process.execPath)) runAgainWith(ownNode)
else refuse()

function isTooOld(version) {
  const [major, minor] = version.split('.').map(Number)
  return major < 22 || (major === 22 && minor < 18)
}

function refuse() {
  console.error(
    `Gatehouse needs Node 24 (22.18 at the least), and this is ${process.versions.node}: install it from nodejs.org.`,
  )
  process.exitCode = 1
}

function run() {
  // Read when the pool is first used; argon2 and the like run there.
  process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '8'
  // One stands beside every service: better that it collects its garbage often than that it grows. Before anything has grown.
  if (process.argv[2] === 'sidecar') setFlagsFromString('--max-semi-space-size=1')
  const source = join(root, 'src', 'main.ts')
  // Node does not strip types under node_modules.
  const isClone = existsSync(source) && root.split(sep).indexOf('node_modules') === -1
  // Halves what a command costs, most of which is stripping types. Not in the shared temporary folder, where others may write.
  if (isClone && module.enableCompileCache) module.enableCompileCache(join(root, 'node_modules', '.cache', 'gatehouse'))
  const main = isClone ? source : join(root, 'dist', 'src', 'main.js')
  import(pathToFileURL(main).href).then(({ run: start }) => start(process.argv.slice(2)))
}

function runAgainWith(node) {
  // A terminal sends Ctrl-C to the child as well; twice would mean "at once, without draining".
  const isInTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  const forward = (signal) => child.kill(signal)
  // Before there is a child: a signal that comes in between waits for it, and does not end this process alone.
  process.on('SIGINT', (signal) => isInTerminal || forward(signal))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, forward)
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' })
  child.on('error', refuse)
  child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code))
}
