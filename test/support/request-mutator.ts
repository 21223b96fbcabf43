/** Draws hostile HTTP/1.1 requests: whole ones, changed in ways that parsers get wrong. */
export class RequestMutator {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** The bytes of one case, in the pieces that it is sent in. */
  draw(): string[] {
    let bytes = this.#pick(requests)
    const changes = this.#below(4)
    for (let change = 0; change < changes; change++) bytes = this.#pick(this.#changes)(bytes)
    if (this.#below(20) === 0) bytes += this.#pick(requests)
    return this.#pieces(bytes)
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#below(choices.length)]
    if (choice === undefined) throw new Error('nothing to choose from')
    return choice
  }

  #pieces(bytes: string): string[] {
    if (this.#below(3) > 0) return [bytes]
    const at = this.#below(bytes.length + 1)
    return [bytes.slice(0, at), bytes.slice(at)]
  }

  readonly #changes: readonly ((bytes: string) => string)[] = [
    // Bytes anywhere.
    bytes => this.#spliced(bytes, 0, this.#pick(oddities)),
    bytes => this.#spliced(bytes, 1, this.#pick(oddities)),
    bytes => this.#spliced(bytes, 1 + this.#below(20), ''),
    bytes => this.#spliced(bytes, 1, String.fromCharCode(this.#below(256))),
    bytes => bytes.slice(0, this.#below(bytes.length + 1)),
    // Lines of the head.
    bytes => this.#withLines(bytes, lines => lines.toSpliced(this.#below(lines.length), 1)),
    bytes => this.#withLines(bytes, lines => lines.toSpliced(this.#line(lines), 0, this.#pick(headers))),
    bytes => this.#withLines(bytes, lines => lines.toSpliced(this.#line(lines), 0, this.#pick(lines))),
    bytes => this.#withLines(bytes, lines => [this.#pick(requestLines), ...lines.slice(1)]),
    bytes => this.#withLines(bytes, lines => lines.map(line => this.#cased(line))),
    bytes => this.#withLines(bytes, lines => [...lines, `X-Long: ${'l'.repeat(this.#below(12_000))}`]),
    bytes => bytes.replace('\r\n', this.#pick(['\n', '\r', '\n\r', '\r\n\r\n', '\r\r\n', ' \r\n', '\r\n '])),
    bytes => bytes.replaceAll('\r\n', this.#pick(['\n', '\r\r\n'])),
    bytes => bytes.replace(': ', this.#pick([':', ' : ', ':\t', ': \t ', '\0: ', '::', ':\x0b'])),
    // The body and its framing.
    bytes => bytes + this.#pick(['', 'tail', '0\r\n\r\n', '\r\n', requests[0] ?? '']),
    bytes => bytes.replace(/\d+/, String(this.#pick(numbers))),
  ]

  #spliced(bytes: string, remove: number, insert: string): string {
    const at = this.#below(bytes.length + 1)
    return bytes.slice(0, at) + insert + bytes.slice(at + remove)
  }

  #line(lines: readonly string[]): number {
    return 1 + this.#below(lines.length)
  }

  #withLines(bytes: string, change: (lines: string[]) => string[]): string {
    const end = bytes.indexOf('\r\n\r\n')
    if (end < 0) return bytes
    return change(bytes.slice(0, end).split('\r\n')).join('\r\n') + bytes.slice(end)
  }

  #cased(line: string): string {
    return this.#below(2) === 0 ? line.toLowerCase() : line.toUpperCase()
  }
}

const requests = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /early?x=1 HTTP/1.1\r\nHost: a:8082\r\nAccept: application/vnd.kafka.v2+json, */*;q=0.1\r\n\r\n',
  'HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'DELETE /consumers/g/instances/%2e%2e HTTP/1.1\r\nHost: [::1]:8082\r\n\r\n',
  'POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nabcde',
  'POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: b\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
  'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\naGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
]

const requestLines = [
  'GET http://a/ HTTP/1.1',
  'CONNECT a:443 HTTP/1.1',
  'GET //evil HTTP/1.1',
  'GET /\\evil HTTP/1.1',
  'GET /%00%zz HTTP/1.1',
  'GET / HTTP/1.2',
  'GET /',
  'PRI * HTTP/2.0',
  'BREW / HTTP/1.1',
  'M-SEARCH * HTTP/1.1',
  'GET /#a HTTP/1.1',
  'TRACE / HTTP/1.1',
  ' GET / HTTP/1.1',
]

const headers = [
  'Host: b',
  'Host:',
  'Host: a/b',
  'Host: \xff',
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: 5, 5',
  'Content-Length: -1',
  'Content-Length: 18446744073709551616',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Connection: close, Content-Length',
  'Connection: keep-alive',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'X-A: b\r\n folded',
  'X-\0: b',
  ': b',
  'nothing',
  'Content-Encoding: gzip',
  'Accept: ;;;,,,q=',
  'Accept-Encoding: gzip;q=x, *;q=9e99',
  'Origin: null',
  'X-Request-Id: \x7f\xff',
  'Trailer: Content-Length',
  'TE: trailers',
]

const oddities = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\x0b',
  '\x7f',
  '\xff',
  '%',
  '\\',
  '#',
  '?',
  ';',
  ',',
  ':',
  '"',
  '\x00\xff\xfe',
  '0',
  '-',
]

const numbers = [
  '0',
  '1',
  '4',
  '6',
  '00005',
  '+5',
  '0x5',
  '5.0',
  '999999',
  '4294967296',
  '9007199254740993',
  '1e3',
  'ffffffffffffffff',
]
