// Refuses what belongs to a step that is not the one under way: an old tab, a form sent twice.
import { type AppError, badRequest } from '../http/errors.ts'

export const wrongStep = (): AppError =>
  badRequest('wrong_step', 'This page is over. Go back to the application and try again.')
