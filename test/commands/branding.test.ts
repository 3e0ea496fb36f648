// What the command line says of the branding folder.
import { brandingFolder, exampleFolder, type TemporaryFolder } from '../support/branding-folder.ts'
import { createGatehouse, type Gatehouse } from './gatehouse.ts'

let gatehouse: Gatehouse
let wrong: TemporaryFolder
const good = { GATEHOUSE_BRANDING_DIR: exampleFolder }
let bad: { GATEHOUSE_BRANDING_DIR: string }

beforeAll(async () => {
  gatehouse = await createGatehouse()
  wrong = brandingFolder({ 'branding.json': '{"colour":"#fff"}', 'logo.jpg': 'x' })
  bad = { GATEHOUSE_BRANDING_DIR: wrong.path }
})
afterAll(async () => {
  wrong.remove()
  await gatehouse.close()
})

interface Examined {
  ok: boolean
  findings: { check: string; status: string; message: string; fix?: string }[]
}

describe('gatehouse doctor', () => {
  it('finds a branding folder that is right, and none where none is named', async () => {
    const found = async (env = {}) =>
      (await gatehouse.json<Examined>('doctor', { env })).findings.filter(({ check }) => check === 'branding')
    expect(await found(good)).toEqual([
      { check: 'branding', status: 'ok', message: `Valid, from ${exampleFolder}.` },
      // The example's placeholder.
      expect.objectContaining({ status: 'warning', message: expect.stringContaining('clients/client_EXAMPLE') }),
    ])
    expect(await found()).toEqual([])
  })

  it('tells each problem with its file, beside everything else, and exits with 1', async () => {
    const { code, stdout, stderr } = await gatehouse.run('doctor', { env: bad })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^BROKEN {3}branding: GATEHOUSE_BRANDING_DIR: logo\.jpg: .*\n {9}Mend it in /m)
    expect(stdout).toMatch(/^BROKEN {3}branding: GATEHOUSE_BRANDING_DIR: branding\.json: colour is no setting/m)
    expect(stdout).toMatch(/^ok {7}database: /m)
    expect(stderr).toBe('2 things are broken.\n')
  })
})

describe('gatehouse config', () => {
  it('prints the folder as it was understood, and notes its problems', async () => {
    expect(
      await gatehouse.json('config print', { env: { GATEHOUSE_BRANDING_DIR: './examples/branding' } }),
    ).toMatchObject({
      GATEHOUSE_BRANDING_DIR: exampleFolder,
    })
    expect(await gatehouse.json('config print')).toMatchObject({ GATEHOUSE_BRANDING_DIR: null })
    const { code, stderr } = await gatehouse.run('config print', { env: bad })
    expect(code).toBe(0)
    expect(stderr).toContain('GATEHOUSE_BRANDING_DIR: branding.json: colour is no setting')
  })

  it('does not validate with a folder that is not right', async () => {
    expect((await gatehouse.run('config validate', { env: good })).code).toBe(0)
    const { code, stderr } = await gatehouse.run('config validate', { env: bad })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^The configuration has 2 problems:\n {2}- GATEHOUSE_BRANDING_DIR: logo\.jpg/)
  })
})

describe('gatehouse serve', () => {
  it('refuses to start before anything else is done', async () => {
    const { code, stdout, stderr } = await gatehouse.spawn('serve', { env: { ...bad, DATABASE_URL: undefined } })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^The configuration has 2 problems:\n {2}- GATEHOUSE_BRANDING_DIR: logo\.jpg/)
  })
})
