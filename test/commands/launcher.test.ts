import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execute, launcher } from './gatehouse.ts'

// Makes the running Node say that it is an old one.
const asOldNode = [
  '--import',
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})',
]

let project: string
beforeEach(async () => {
  project = await mkdtemp(join(await realpath(tmpdir()), 'gatehouse launcher '))
  await mkdir(join(project, 'bin'))
  await copyFile(launcher, join(project, 'bin/gatehouse.js'))
  await writeFile(join(project, 'package.json'), '{"type":"module"}')
})
afterEach(() => rm(project, { recursive: true, force: true }))

async function putNode(script: string): Promise<void> {
  await mkdir(join(project, 'node_modules/node/bin'), { recursive: true })
  await writeFile(join(project, 'node_modules/node/bin/node'), `#!/bin/sh\n${script}\n`)
  await chmod(join(project, 'node_modules/node/bin/node'), 0o755)
}

async function putProgram(folder: string, name: string): Promise<void> {
  await mkdir(join(project, folder), { recursive: true })
  const program = `export const run = (argv) => console.log('${folder}', process.env.UV_THREADPOOL_SIZE, ...argv)`
  await writeFile(join(project, folder, name), program)
}

const start = (args: string[], env = {}) =>
  execute(process.execPath, [...args.slice(0, -1), join(project, 'bin/gatehouse.js'), args.at(-1) ?? ''], { env })

describe('starting on an old Node', () => {
  it('refuses in one sentence', async () => {
    const { code, stdout, stderr } = await start([...asOldNode, 'serve'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^Gatehouse needs Node 24 [^\n]*20\.20\.2[^\n]*\n$/)
  })

  it('runs on the Node of the project instead, with the same arguments and exit code', async () => {
    await putNode('echo "$@"; exit 7')
    const { code, stdout } = await start([...asOldNode, 'serve'])
    expect({ code, stdout }).toEqual({ code: 7, stdout: `${join(project, 'bin/gatehouse.js')} serve\n` })
  })

  it('refuses when the Node of the project does not run either', async () => {
    await putNode('')
    await writeFile(join(project, 'node_modules/node/bin/node'), 'no program at all')
    await chmod(join(project, 'node_modules/node/bin/node'), 0o644)
    expect(await start([...asOldNode, 'serve'])).toMatchObject({ code: 1, stderr: expect.stringContaining('Node 24') })
  })

  it('passes a signal on, and ends as the other ends', async () => {
    await putNode(`trap 'echo stopped; exit 3' TERM; echo started; while :; do sleep 0.05; done`)
    const child = spawn(process.execPath, [...asOldNode, join(project, 'bin/gatehouse.js'), 'serve'])
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
      if (stdout === 'started\n') child.kill('SIGTERM')
    })
    const [code] = await once(child, 'close')
    expect({ code, stdout }).toEqual({ code: 3, stdout: 'started\nstopped\n' })
  })
})

describe('starting on a Node that will do', () => {
  it('runs the source of a clone', async () => {
    await putProgram('src', 'main.ts')
    await putProgram('dist/src', 'main.js')
    expect(await start(['doctor'])).toMatchObject({ code: 0, stdout: 'src 8 doctor\n' })
  })

  it('runs what was built when there is no source', async () => {
    await putProgram('dist/src', 'main.js')
    expect(await start(['doctor'])).toMatchObject({ code: 0, stdout: 'dist/src 8 doctor\n' })
  })

  it('leaves the size of the thread pool to an operator who has set it', async () => {
    await putProgram('src', 'main.ts')
    expect(await start(['doctor'], { UV_THREADPOOL_SIZE: '3' })).toMatchObject({ stdout: 'src 3 doctor\n' })
  })
})

describe("starting on the machine's own Node", () => {
  it('works, however old it is', async () => {
    const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
    const own = folders.map((folder) => join(folder, 'node')).find(existsSync) ?? process.execPath
    const { code, stdout } = await execute(own, [launcher, 'secret', 'generate'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^[\w-]{43}\n$/) })
  })
})
