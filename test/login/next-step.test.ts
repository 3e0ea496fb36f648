// Every combination of what somebody has shown, has, and is asked for, and the step that follows.
import { combinedDemand, demandOf, isSecondFactorRule } from '../../src/config/second-factor-rule.ts'
import { nextStep, type Situation } from '../../src/login/next-step.ts'
import { usefulFactors } from '../../src/login/second-factor/useful-factors.ts'
import { acrOf, levelOf, type PassedMethod } from '../../src/oidc/policy/acr.ts'

const method = (name: PassedMethod['method'], more: Partial<PassedMethod> = {}): PassedMethod => ({
  method: name,
  at: 1,
  ...more,
})
const password = [method('password')]
const noFactors = { hasTotp: false, passkeys: 0, recoveryCodesLeft: 0, hasEmailCode: false }
const totp = { ...noFactors, hasTotp: true, recoveryCodesLeft: 10 }
const passkey = { ...noFactors, passkeys: 1 }
const mail = { ...noFactors, hasEmailCode: true }

const situation = (
  methods: PassedMethod[] | undefined,
  factors = noFactors,
  more: Partial<Situation> & { isPasswordExpired?: boolean; isFromSession?: boolean } = {},
): Situation => ({
  prompt: 'login',
  hasSession: false,
  progress: methods && {
    methods,
    account: { factors, isPasswordExpired: more.isPasswordExpired ?? false },
    isFromSession: more.isFromSession ?? false,
  },
  demand: 'optional',
  demandedLevel: 0,
  isLevelEssential: false,
  isDeviceRemembered: false,
  ...more,
})

describe('the next step', () => {
  const cases: [string, Situation, string][] = [
    ['nothing shown', situation(undefined), 'sign-in'],
    ['consent without a session', situation(undefined, noFactors, { prompt: 'consent' }), 'sign-in'],
    ['consent with a session', situation(undefined, noFactors, { prompt: 'consent', hasSession: true }), 'consent'],
    ['a prompt of another time', situation(undefined, noFactors, { prompt: 'select_account' }), 'unknown'],
    ['a password, and no factor to ask for', situation(password), 'finish'],
    ['a password, and an app', situation(password, totp), 'second-factor'],
    ['a password, and a passkey', situation(password, passkey), 'second-factor'],
    ['a password, and codes by mail', situation(password, mail), 'second-factor'],
    ['a password, and recovery codes alone', situation(password, { ...noFactors, recoveryCodesLeft: 3 }), 'finish'],
    ['a password and the app', situation([...password, method('totp')], totp), 'finish'],
    ['a password and a recovery code', situation([...password, method('recovery_code')], totp), 'finish'],
    ['an app, and a remembered browser', situation(password, totp, { isDeviceRemembered: true }), 'finish'],
    ['a passkey that verified its owner', situation([method('passkey', { isUserVerified: true })], passkey), 'finish'],
    ['a link, and codes by mail only', situation([method('link')], mail), 'finish'],
    ['a link, and an app', situation([method('link')], totp), 'second-factor'],
    ['required, and none', situation(password, noFactors, { demand: 'required' }), 'enrolment'],
    ['required, and an app', situation(password, totp, { demand: 'required' }), 'second-factor'],
    ['required, and remembered', situation(password, totp, { demand: 'required', isDeviceRemembered: true }), 'finish'],
    [
      'required, remembered, and none any more',
      situation(password, noFactors, { demand: 'required', isDeviceRemembered: true }),
      'enrolment',
    ],
    ['required, a link, and codes by mail', situation([method('link')], mail, { demand: 'required' }), 'enrolment'],
    ['off, and an app', situation(password, totp, { demand: 'off' }), 'finish'],
    [
      'off, an app, and two factors asked for',
      situation(password, totp, { demand: 'off', demandedLevel: 2 }),
      'second-factor',
    ],
    ['two asked for, voluntarily, and none', situation(password, noFactors, { demandedLevel: 2 }), 'finish'],
    [
      'two asked for, essentially, and none',
      situation(password, noFactors, { demandedLevel: 2, isLevelEssential: true }),
      'enrolment',
    ],
    [
      'off, two asked for, essentially, and none',
      situation(password, noFactors, { demand: 'off', demandedLevel: 2, isLevelEssential: true }),
      'finish',
    ],
    [
      'two asked for, and a remembered browser',
      situation(password, totp, { demandedLevel: 2, isDeviceRemembered: true }),
      'second-factor',
    ],
    ['phr asked for, voluntarily, and an app', situation(password, totp, { demandedLevel: 3 }), 'second-factor'],
    [
      'phr asked for, voluntarily, and an app shown',
      situation([...password, method('totp')], totp, { demandedLevel: 3 }),
      'finish',
    ],
    [
      'phr asked for, essentially, and an app shown',
      situation([...password, method('totp')], totp, { demandedLevel: 3, isLevelEssential: true }),
      'enrolment',
    ],
    ['phr asked for, and a passkey', situation(password, passkey, { demandedLevel: 3 }), 'second-factor'],
    [
      'two asked for, essentially, none, and only a session',
      situation(password, noFactors, { demandedLevel: 2, isLevelEssential: true, isFromSession: true }),
      'sign-in',
    ],
    [
      'required, none, and only a session',
      situation(password, noFactors, { demand: 'required', isFromSession: true }),
      'sign-in',
    ],
    [
      'two asked for, an app, and only a session',
      situation(password, totp, { demandedLevel: 2, isFromSession: true }),
      'second-factor',
    ],
    ['an expired password', situation(password, noFactors, { isPasswordExpired: true }), 'expired-password'],
    ['an expired password, and an app', situation(password, totp, { isPasswordExpired: true }), 'second-factor'],
    [
      'an expired password, and an app shown',
      situation([...password, method('totp')], totp, { isPasswordExpired: true }),
      'expired-password',
    ],
    [
      'an expired password, unused',
      situation([method('passkey', { isUserVerified: true })], passkey, { isPasswordExpired: true }),
      'finish',
    ],
  ]
  it.each(cases)('%s', (_, given, step) => {
    expect(nextStep(given)).toBe(step)
  })

  it('never finishes below what the operator demands, and never asks for what cannot help, in any combination', () => {
    const methods: PassedMethod['method'][] = ['password', 'link', 'totp', 'email_code', 'recovery_code', 'passkey']
    const shown = methods.flatMap((first) => [
      [method(first)],
      ...methods.map((second) => [method(first), method(second)]),
    ])
    const owned = [0, 1].flatMap((passkeys) =>
      [true, false].flatMap((hasTotp) =>
        [true, false].map((hasEmailCode) => ({ hasTotp, passkeys, hasEmailCode, recoveryCodesLeft: hasTotp ? 5 : 0 })),
      ),
    )
    let checked = 0
    for (const demand of ['off', 'optional', 'required'] as const)
      for (const demandedLevel of [0, 1, 2, 3])
        for (const isLevelEssential of [true, false])
          for (const isDeviceRemembered of [true, false])
            for (const passed of shown)
              for (const factors of owned) {
                const given = situation(passed, factors, {
                  demand,
                  demandedLevel,
                  isLevelEssential,
                  isDeviceRemembered,
                })
                const step = nextStep(given)
                const level = levelOf(acrOf(passed))
                const useful = usefulFactors(passed, factors, demandedLevel)
                const isSpared = isDeviceRemembered && (factors.hasTotp || factors.passkeys > 0 || factors.hasEmailCode)
                checked += 1
                if (step === 'second-factor') expect(useful.length).toBeGreaterThan(0)
                if (step === 'finish' && demand === 'required' && !isSpared) expect(level).toBeGreaterThanOrEqual(2)
                if (step === 'finish' && isLevelEssential && demand !== 'off')
                  expect(level).toBeGreaterThanOrEqual(demandedLevel)
                if (demand === 'off') expect(step).not.toBe('enrolment')
                expect(['second-factor', 'enrolment', 'finish']).toContain(step)
              }
    expect(checked).toBe(3 * 4 * 2 * 2 * 42 * 8)
  })
})

describe('the rule for second factors', () => {
  it.each([
    ['off', true],
    ['optional', true],
    ['required', true],
    ['required-for:owner', true],
    ['required-for:owner,support', true],
    ['required-for:', false],
    ['required-for:a b', false],
    ['on', false],
    ['', false],
  ])('%s is one: %s', (rule, is) => {
    expect(isSecondFactorRule(rule)).toBe(is)
  })

  it('asks it of those who have the role, and leaves it to all others', () => {
    expect(demandOf('required-for:owner,support', ['support'])).toBe('required')
    expect(demandOf('required-for:owner,support', ['reader'])).toBe('optional')
    expect(demandOf('required-for:owner', [])).toBe('optional')
  })

  it.each([
    ['optional', undefined, 'optional'],
    ['optional', 'required', 'required'],
    ['optional', 'off', 'off'],
    ['off', 'optional', 'optional'],
    ['required', 'off', 'required'],
    ['required-for:owner', 'off', 'required'],
    ['optional', 'required-for:owner', 'required'],
    ['optional', 'required-for:support', 'optional'],
  ])('of the deployment %s and of a client %s is %s for an owner', (deployment, client, demand) => {
    expect(combinedDemand(deployment, client, ['owner'])).toBe(demand)
  })
})
