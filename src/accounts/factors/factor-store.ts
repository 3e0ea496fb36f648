// STUB.
export interface FactorSummary {
  hasTotp: boolean
  passkeys: number
  recoveryCodesLeft: number
  hasEmailCode: boolean
}
