// Names the links that let somebody set a password, and where they lead: who makes one and who opens it must agree.
export const linkPurposes = { invitation: 'invitation', passwordReset: 'reset-password' } as const

type LinkPurpose = (typeof linkPurposes)[keyof typeof linkPurposes]

export const linkUrl = (issuer: string, purpose: LinkPurpose, token: string): string => `${issuer}/${purpose}/${token}`
