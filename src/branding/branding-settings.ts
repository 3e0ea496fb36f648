// The form of branding.json: a name, a few colours, and the links that a sign-in page owes its readers.
import { z } from 'zod'
import { colourOf } from './contrast.ts'

const colour = z.string().transform((text, context) => {
  const normal = colourOf(text)
  if (normal) return normal
  context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} is no colour: write it as #rgb or #rrggbb` })
  return z.NEVER
})

const link = (protocols: readonly string[]) =>
  z
    .string()
    .max(2048)
    .refine((text) => protocols.includes(URL.parse(text)?.protocol ?? ''), {
      message: `must be a whole address that begins with ${protocols.join(' or ')}`,
    })
const page = link(['https:', 'http:'])

const settings = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(60, 'must have at most 60 characters')
    .regex(/^[^\p{Cc}\p{Cf}]*$/u, 'must not hold control or direction characters')
    .optional(),
  brandColor: colour.optional(),
  brandColorDark: colour.optional(),
  groundColor: colour.optional(),
  groundColorDark: colour.optional(),
  /** For a logo that is a sign without words: the name is written beside it. */
  nameBesideLogo: z.boolean().optional(),
  termsUrl: page.optional(),
  privacyUrl: page.optional(),
  supportUrl: link(['https:', 'http:', 'mailto:']).optional(),
})

export type BrandingSettings = z.output<typeof settings>

const known = Object.keys(settings.shape).join(', ')

export function parseSettings(
  text: string,
): { ok: true; settings: BrandingSettings } | { ok: false; problems: string[] } {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { ok: false, problems: [`is no JSON: ${(error as Error).message}`] }
  }
  const parsed = settings.safeParse(json)
  if (parsed.success) return { ok: true, settings: parsed.data }
  return { ok: false, problems: parsed.error.issues.flatMap(told) }
}

function told(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${key} is no setting; there are ${known}`)
  const place = issue.path.join('.')
  return [place ? `${place} ${issue.message}` : `must be an object with some of ${known}`]
}
