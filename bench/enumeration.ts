// `node bench/enumeration.ts`: whether the time of an answer tells who has an account, over 2,000 samples of each kind.
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { createMigrator } from '../src/database/migrator.ts'
import { measureTimes, questions } from '../test/support/answer-times.ts'
import { startCluster } from '../test/support/cluster.ts'
import { startTestPostgres } from '../test/support/postgres.ts'

const { values: options } = parseArgs({ options: { samples: { type: 'string', default: '2000' } } })
const samples = Number(options.samples)
const limit = 5

const postgres = await startTestPostgres()
await createMigrator({ url: postgres.url }).up()
const cluster = await startCluster({
  url: postgres.url,
  nodes: 1,
  env: { GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1/32' },
})
// Nobody reads its log here.
cluster.nodes[0]?.child.stdout?.removeAllListeners('data').resume()
const write = (cells: (string | number)[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`)
try {
  process.stdout.write(
    `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model}, load average ${loadavg()[0]?.toFixed(1)}\n\n`,
  )
  write(['request', 'samples of each', 'an account, median ms', 'none, median ms', 'apart, ms (99 % confidence)', ''])
  process.stdout.write('|---|---|---|---|---|---|\n')
  for (const question of questions) {
    const { name, known, unknown, difference, from, to, ...measured } = await measureTimes(cluster, question, samples)
    const apart = `${difference.toFixed(2)} (${from.toFixed(2)} to ${to.toFixed(2)})`
    const isReached = Math.abs(known - unknown) <= limit && Math.abs(difference) <= limit
    write([name, measured.samples, known.toFixed(2), unknown.toFixed(2), apart, isReached ? 'pass' : 'FAIL'])
    if (!isReached) process.exitCode = 1
  }
} finally {
  await cluster.stop()
  await postgres.stop()
}
