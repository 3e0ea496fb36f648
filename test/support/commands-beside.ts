// Runs commands beside a running test server: on its database, with its issuer and its sealing key.
import { Readable } from 'node:stream'
import { runCommandLine } from '../../src/commands/command-line.ts'
import { type TestServer, testSealingKey } from './test-server.ts'

/** With --json; fails unless the exit code is 0. */
export async function runBeside<Shape = Record<string, unknown>>(
  { url, issuer }: Pick<TestServer, 'url' | 'issuer'>,
  args: string,
  more: Record<string, string> = {},
): Promise<Shape> {
  let [stdout, stderr] = ['', '']
  const code = await runCommandLine([...args.split(' '), '--json'], {
    stdin: Readable.from(['']),
    stdout: {
      write: (text) => {
        stdout += text
      },
    },
    stderr: {
      write: (text) => {
        stderr += text
      },
    },
    env: { DATABASE_URL: url, GATEHOUSE_ISSUER: issuer, GATEHOUSE_SEALING_KEY: testSealingKey, ...more },
  })
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
  return JSON.parse(stdout)
}
