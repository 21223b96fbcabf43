import type { InstanceReads, LoadPlan, RepeatedRequests } from './load-plan.ts'
import type { Answer } from './response-reader.ts'

/** What one connection does: it says what to send next, and what an answer brought. */
export interface ConnectionWork {
  next(): Buffer
  /** @returns the records that the answer acknowledges or holds; undefined when it names an error. */
  take(answer: Answer): number | undefined
}

/** The work of connection `index`. */
export function workOf({ work }: LoadPlan, index: number): ConnectionWork {
  return work.kind === 'repeat' ? repeated(work, index) : instanceReads(work, index)
}

function repeated({ requests, recordsEach }: RepeatedRequests, index: number): ConnectionWork {
  const request = Buffer.from(requests[index % requests.length] ?? '')
  // A record that could not be written has no offset; the status is 200 all the same.
  const take = ({ body }: Answer) => (body.includes('"offset":null') ? undefined : recordsEach)
  return { next: () => request, take }
}

function instanceReads({ readers }: InstanceReads, index: number): ConnectionWork {
  const reader = readers[index % readers.length]
  if (!reader) throw new Error('no instance to read with')
  const read = Buffer.from(reader.read)
  const rewind = Buffer.from(reader.rewind)
  // An earlier run may have left the instance anywhere.
  let atEnd = true
  let taken = 0
  return {
    next() {
      if (!atEnd) return read
      taken = 0
      return rewind
    },
    take({ status, body }) {
      const records = countOf(body, '"offset":')
      taken += records
      // Nothing to read is the end as well: records of a read that was cut short may have come first.
      atEnd = status === 200 && (records === 0 || taken >= reader.records)
      return records
    },
  }
}

/** How often `text` is in the bytes. It must not be in keys or values. */
function countOf(bytes: Buffer, text: string): number {
  let count = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) count += 1
  return count
}
