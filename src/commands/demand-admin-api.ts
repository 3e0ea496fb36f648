// Finds the admin API for a command, and refuses to move it: only a server that starts knows the issuer for sure.
import { adminAudience, ensureAdminApi, findAdminApi } from '../apis/admin-api-registration.ts'
import type { Api } from '../apis/api-store.ts'
import type { OpenDatabase } from './open-database.ts'
import { CommandRefusal } from './refusals.ts'

export async function demandAdminApi({ apis, config }: Pick<OpenDatabase, 'apis' | 'config'>): Promise<Api> {
  const existing = await findAdminApi(apis)
  if (existing && existing.audience !== adminAudience(config.issuer)) {
    throw new CommandRefusal(
      'issuer_differs',
      `The admin API of this database is ${existing.audience}, but this command's issuer is ${config.issuer}: set GATEHOUSE_ISSUER (or PORT) as the server has it.`,
    )
  }
  return ensureAdminApi(apis, config.issuer)
}
