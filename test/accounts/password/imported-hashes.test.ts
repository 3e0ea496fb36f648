import { createHashSchemes } from '../../../src/accounts/password/imported/hash-schemes.ts'
import { createPasswords } from '../../../src/accounts/password/password.ts'
import { hash as hashed } from '../../../src/accounts/password/password-hash.ts'
import { createPasswordQueue } from '../../../src/accounts/password/password-queue.ts'
import { createSealing } from '../../../src/sealing.ts'

const sealing = createSealing([Buffer.alloc(32, 1)])
const schemes = createHashSchemes({ sealing })
const hex = (text: string) => Buffer.from(text, 'hex').toString('base64')
const text = (value: string) => Buffer.from(value).toString('base64')

const signerKey = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=='
const firebaseHash = 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=='
// github.com/firebase/scrypt, README.
const firebase = `$firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lw==$Bw==$${signerKey}$${firebaseHash}`

const sha512of4096 =
  'd197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5'
const rfc7914pbkdf2 =
  '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d'
const rfc7914one =
  '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887'
const rfc7914many =
  'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640'

const published: [string, string, string][] = [
  // The reference implementation's tests.
  ['argon2i', 'password', '$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA'],
  [
    'argon2i, version 1.0',
    'password',
    '$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ',
  ],
  ['argon2id', 'password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'],
  // jBCrypt, crypt_blowfish, PyCA and PHP.
  ['bcrypt 2a', 'abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'],
  ['bcrypt 2a, long', 'abcdefghijklmnopqrstuvwxyz', '$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC'],
  ['bcrypt 2a, repeated', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt 2b', 'Kk4DQuMMfZL9o', '$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm'],
  ['bcrypt 2y', 'rasmuslerdorf', '$2y$07$usesomesillystringfore2uDLvp1Ii2e./U9C8sBjqp8I90dH6hi'],
  // RFC 6070, RFC 7914 section 11, and passlib's manual.
  [
    'PBKDF2-SHA-1',
    'password',
    `$pbkdf2-sha1$i=4096$${text('salt')}$${hex('4b007901b765489abead49d926f721d065a429c1')}`,
  ],
  ['PBKDF2-SHA-256', 'Password', `$pbkdf2-sha256$i=80000$${text('NaCl')}$${hex(rfc7914pbkdf2)}`],
  ['PBKDF2-SHA-512', 'password', `$pbkdf2-sha512$i=4096,l=64$${text('salt')}$${hex(sha512of4096)}`],
  [
    'PBKDF2 by passlib',
    'password',
    '$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M',
  ],
  ['PBKDF2-SHA-1 by passlib', 'password', `$pbkdf2$4096$${text('salt')}$SwB5AbdlSJq.rUnZJvch0GWkKcE`],
  // RFC 7914 section 12, and passlib's manual.
  ['scrypt', 'pleaseletmein', `$scrypt$ln=14,r=8,p=1$${text('SodiumChloride')}$${hex(rfc7914one)}`],
  ['scrypt in parallel', 'password', `$scrypt$ln=10,r=8,p=16$${text('NaCl')}$${hex(rfc7914many)}`],
  [
    'scrypt by passlib',
    'password',
    '$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E',
  ],
  ['Firebase', 'user1password', firebase],
]

describe('a hash from another system', () => {
  it.each(published)('%s: fits its password and no other', async (_, password, hash) => {
    expect(schemes.problem(hash)).toBeUndefined()
    const stored = schemes.toStored(hash)
    expect(await schemes.verify(stored, password)).toBe(true)
    for (const wrong of [`${password} `, password.slice(1), '']) expect(await schemes.verify(stored, wrong)).toBe(false)
    expect(schemes.needsRehash(stored, password)).toBe(true)
    expect(schemes.toPortable(stored)).toBe(hash)
  })

  it.each(published)('%s: one that was altered fits nothing', async (_, password, hash) => {
    const at = hash.lastIndexOf('$') + 5
    const altered = `${hash.slice(0, at)}${hash[at] === 'x' ? 'y' : 'x'}${hash.slice(at + 1)}`
    expect(await schemes.verify(altered, password)).toBe(false)
  })

  it('is told apart from our own, which stays as it is', async () => {
    expect(schemes.needsRehash(await hashed('correct horse'), 'correct horse')).toBe(false)
  })

  const digest = 'A'.repeat(43)
  it.each([
    ['hash_unknown', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['hash_unknown', '{SSHA}abcdef'],
    ['hash_unknown', '$1$abc$def'],
    ['hash_unknown', '$6$rounds=5000$abc$def'],
    ['hash_unknown', ''],
    ['hash_malformed', `$argon2d$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$${digest}`],
    ['hash_malformed', `$argon2id$v=19$m=8,t=2,p=4$c29tZXNhbHQ$${digest}`],
    ['hash_malformed', `$argon2id$v=19$m=19456,t=0,p=1$c29tZXNhbHQ$${digest}`],
    ['hash_malformed', `$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$`],
    ['hash_too_costly', `$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ$${digest}`],
    ['hash_too_costly', `$argon2id$v=19$m=262144,t=5,p=1$c29tZXNhbHQ$${digest}`],
    ['hash_too_costly', `$argon2id$v=19$m=19456,t=999999999,p=1$c29tZXNhbHQ$${digest}`],
    ['hash_too_costly', `$argon2id$v=19$m=19456,t=2,p=17$c29tZXNhbHQ$${digest}`],
    ['hash_malformed', `$2x$10$${'x'.repeat(53)}`],
    ['hash_malformed', `$2$10$${'x'.repeat(53)}`],
    ['hash_malformed', `$2b$03$${'x'.repeat(53)}`],
    ['hash_malformed', `$2b$10$${'x'.repeat(52)}`],
    ['hash_malformed', `$2b$10$${'x'.repeat(52)}+`],
    ['hash_malformed', `$2b$99$${'x'.repeat(53)}`],
    ['hash_too_costly', `$2b$15$${'x'.repeat(53)}`],
    ['hash_malformed', `$pbkdf2-md5$i=1000$c2FsdA$${digest}`],
    ['hash_malformed', `$pbkdf2-sha256$i=0$c2FsdA$${digest}`],
    ['hash_malformed', `$pbkdf2-sha256$i=1000$c2FsdA$AAAA`],
    ['hash_malformed', `$pbkdf2-sha256$i=1000$$${digest}`],
    ['hash_too_costly', `$pbkdf2-sha256$i=2000001$c2FsdA$${digest}`],
    ['hash_malformed', `$scrypt$ln=0,r=8,p=1$c2FsdA$${digest}`],
    ['hash_malformed', `$scrypt$ln=16,r=1,p=1$c2FsdA$${digest}`],
    ['hash_malformed', `$scrypt$ln=14,r=8,p=1$c2FsdA$AAAA`],
    ['hash_too_costly', `$scrypt$ln=19,r=8,p=1$c2FsdA$${digest}`],
    ['hash_too_costly', `$scrypt$ln=99,r=8,p=1$c2FsdA$${digest}`],
    ['hash_too_costly', `$scrypt$ln=2,r=999,p=999$c2FsdA$${digest}`],
    ['hash_malformed', firebase.replace(`$${signerKey}`, '')],
    ['hash_malformed', firebase.replace(signerKey, 'AAAA')],
    ['hash_malformed', firebase.replace('ln=14', 'ln=0')],
    ['hash_too_costly', firebase.replace('ln=14', 'ln=20')],
    ['hash_unknown', schemes.toStored(firebase)],
  ])('is refused as %s: %s', async (key, hash) => {
    expect(schemes.problem(hash)?.key).toBe(`account-fields.${key}`)
  })

  it('is never verified beyond its limit, even where it got past the import', async () => {
    const passwords = createPasswords({ queue: createPasswordQueue(), schemes })
    const start = performance.now()
    for (const hash of [`$2b$31$${'x'.repeat(53)}`, `$argon2id$v=19$m=9999999,t=999,p=1$c29tZXNhbHQ$${digest}`, 'junk'])
      expect(await passwords.check({ passwordHash: hash, disabledAt: undefined }, 'x')).toEqual({
        ok: false,
        reason: 'wrong',
      })
    expect(performance.now() - start).toBeLessThan(3000)
  })
})

describe('bcrypt', () => {
  const abc = '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'

  it('takes nothing after NUL for nothing', async () => {
    expect(await schemes.verify(abc, 'abc\0')).toBe(false)
    expect(await schemes.verify(abc, 'abc\0def')).toBe(false)
  })

  it('speaks for 72 bytes: a longer password gets in as it did, but its unseen end does not become the password', async () => {
    const { hash } = await import('@node-rs/bcrypt')
    const long = 'long passphrases are welcome here, and this one has more than 72 bytes of it'
    const stored = await hash(long, { cost: 4 })
    expect(await schemes.verify(stored, long)).toBe(true)
    expect(schemes.needsRehash(stored, long)).toBe(false)
    expect(await schemes.verify(stored, `${long.slice(0, 72)} mistyped`)).toBe(true)
    expect(schemes.needsRehash(stored, long.slice(0, 72))).toBe(true)
    expect(schemes.needsRehash(stored, 'ü'.repeat(37))).toBe(false)
  })
})

describe('the signer key of a Firebase project', () => {
  it('is sealed where it is kept, and comes out whole for another deployment', async () => {
    const stored = schemes.toStored(firebase)
    expect(stored).not.toContain(signerKey.slice(0, 20))
    expect(stored).toContain('$firebase-scrypt-sealed$')
    expect(schemes.toPortable(stored)).toBe(firebase)
    expect(await schemes.verify(stored, 'user1password')).toBe(true)
  })

  it('cannot be used under another sealing key', async () => {
    const elsewhere = createHashSchemes({ sealing: createSealing([Buffer.alloc(32, 2)]) })
    await expect(elsewhere.verify(schemes.toStored(firebase), 'user1password')).rejects.toThrow()
    const passwords = createPasswords({ queue: createPasswordQueue(), schemes: elsewhere })
    const account = { passwordHash: schemes.toStored(firebase), disabledAt: undefined }
    expect(await passwords.check(account, 'user1password')).toEqual({ ok: false, reason: 'wrong' })
  })
})
