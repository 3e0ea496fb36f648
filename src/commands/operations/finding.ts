// One thing that `doctor` has looked at: how it stands, and how to mend it.
export interface Finding {
  check: string
  status: 'ok' | 'warning' | 'broken'
  message: string
  fix?: string
}

export const fine = (check: string, message: string): Finding => ({ check, status: 'ok', message })
export const warning = (check: string, message: string, fix: string): Finding => ({
  check,
  status: 'warning',
  message,
  fix,
})
export const broken = (check: string, message: string, fix: string): Finding => ({
  check,
  status: 'broken',
  message,
  fix,
})
