// Reads the branding folder of this deployment; a start is refused with every problem at once.
import { join } from 'node:path'
import { type Branding, createBranding } from '../../branding/branding.ts'
import { type BrandingFolder, readBranding } from '../../branding/read-branding.ts'
import { type Config, ConfigError } from '../../config.ts'

type FolderParts = Pick<Config, 'brandingDir' | 'root'>

export interface DeploymentBrandingParts {
  config: FolderParts & Pick<Config, 'production'>
  log: { warn(fields: object, message: string): void }
}

const productName = 'Gatehouse'

/** For an operator: with the variable that names the folder. */
export function brandingProblems(config: FolderParts): string[] {
  const read = readFolder(config)
  return read.ok ? [] : read.problems.map((problem) => `GATEHOUSE_BRANDING_DIR: ${problem}`)
}

/** The clients that have a folder of their own; none while the folder has problems. */
export function brandedClients(config: FolderParts): string[] {
  const read = readFolder(config)
  return read.ok && read.folder ? [...read.folder.clients.keys()] : []
}

/** In development the folder is read again at each use; what is wrong then is logged, and the last good state stays. */
export function createDeploymentBranding({ config, log }: DeploymentBrandingParts): Branding {
  const problems = brandingProblems(config)
  if (problems.length > 0) throw new ConfigError(problems)
  let last: BrandingFolder | undefined
  let said = ''
  const refresh = () => {
    const read = readFolder(config)
    if (read.ok) last = read.folder
    const found = read.ok ? '' : read.problems.join('\n')
    if (found && found !== said) log.warn({ problems: found.split('\n') }, 'the branding folder has problems')
    said = found
    return last
  }
  refresh()
  return createBranding({ productName, folder: config.production ? () => last : refresh })
}

function readFolder({ brandingDir, root }: FolderParts) {
  return brandingDir === undefined
    ? { ok: true as const, folder: undefined }
    : readBranding({ directory: brandingDir, viewsDirectory: join(root, 'views') })
}
