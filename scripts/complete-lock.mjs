// Adds to package-lock.json the optional platform binaries that a registry mirror may lack; without them `npm ci` refuses the
// lock of every project with jest, swc or biome. Run it after each change of the lock.
import { readFileSync, writeFileSync } from 'node:fs'

const systems = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'win32',
  'windows',
  'openharmony',
  'netbsd',
  'openbsd',
  'sunos',
  'aix',
]
const processors = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el']

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const { packages } = lock
let added = 0

for (const [parent, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (packages[`node_modules/${name}`] || packages[`${parent}/node_modules/${name}`]) continue
    const system = systems.find((entry) => name.includes(entry))
    if (!system) continue
    const processor = processors.find((entry) => name.includes(entry))
    packages[`node_modules/${name}`] = {
      version: version.replace(/^[\^~]/, ''),
      optional: true,
      ...(dev ? { dev } : undefined),
      os: [system === 'windows' ? 'win32' : system],
      ...(processor ? { cpu: [processor] } : undefined),
      ...(name.includes('musl') ? { libc: ['musl'] } : undefined),
    }
    added += 1
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([left], [right]) => left.localeCompare(right, 'en')))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} entries added`)
