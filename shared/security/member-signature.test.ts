import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { createMemberSigner } from './member-signature.ts'

const member = {
  id: 'node-1',
  url: 'http://10.0.0.1:8083',
  internalUrl: 'http://10.0.0.1:8083',
  incarnation: 'i-1',
}

test('a signed record verifies with the same token only', async () => {
  const signature = await createMemberSigner('secret').sign(member)
  expect(await createMemberSigner('secret').verify({ ...member, signature })).toBe(true)
  expect(await createMemberSigner('other').verify({ ...member, signature })).toBe(false)
})

test('a change of any signed field breaks it', async () => {
  const signer = createMemberSigner('secret')
  const signature = await signer.sign(member)
  for (const field of ['id', 'url', 'internalUrl', 'incarnation'] as const)
    expect(await signer.verify({ ...member, [field]: 'x', signature }), field).toBe(false)
})

test('moving characters from one field to the next breaks it', async () => {
  const signer = createMemberSigner('secret')
  const signature = await signer.sign({ ...member, id: 'ab', url: 'c' })
  expect(await signer.verify({ ...member, id: 'a', url: 'bc', signature })).toBe(false)
})

test('it is HMAC-SHA-256, as another implementation computes it', async () => {
  const text = JSON.stringify(['member', member.id, member.url, member.internalUrl, member.incarnation])
  const expected = createHmac('sha256', 'secret').update(text).digest('hex')
  expect(await createMemberSigner('secret').sign(member)).toBe(expected)
})

test('signatures that are no 64 hex digits are refused', async () => {
  const signer = createMemberSigner('secret')
  const signature = await signer.sign(member)
  for (const wrong of ['', signature.slice(2), signature.toUpperCase(), `${signature}00`, 'z'.repeat(64)])
    expect(await signer.verify({ ...member, signature: wrong }), wrong).toBe(false)
})

test('without a token there is nothing to sign and nothing to protect', async () => {
  expect(await createMemberSigner('').sign(member)).toBe('')
  expect(await createMemberSigner('').verify({ ...member, signature: 'anything' })).toBe(true)
})
