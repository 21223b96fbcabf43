/** An HTTP/1.1 request as it goes onto the wire, for a keep-alive connection. */
export function requestText(options: {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string
}): string {
  const { method, path, accept, contentType, body } = options
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: bench']
  if (accept !== undefined) lines.push(`Accept: ${accept}`)
  if (contentType !== undefined) lines.push(`Content-Type: ${contentType}`)
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** The port of `host:port`. */
export const portOf = ({ address }: { readonly address: string }): number => Number(address.split(':')[1])
