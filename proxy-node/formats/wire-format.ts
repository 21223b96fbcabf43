import { type SchemaName, UndecodableRecord } from './format.ts'

/**
 * Confluent's wire format (contract v2 §6.3): a magic byte 0, the schema id as a big-endian int32, the payload.
 * Since 8.x a serializer may instead put the schema's name into a record header and leave the payload bare:
 * 0 and the id, or 1 and the 16 bytes of its GUID; for Protobuf the message indexes follow there.
 */
const magicId = 0
const magicGuid = 1
export const framingBytes = 5
const guidFramingBytes = 17

/** An empty frame for `schemaId`; the payload is written from `framingBytes` on. */
export function allocateFrame(schemaId: number, payloadBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(framingBytes + payloadBytes)
  frame[0] = magicId
  frame.writeInt32BE(schemaId, 1)
  return frame
}

export function frame(schemaId: number, payload: Uint8Array): Buffer {
  const framed = allocateFrame(schemaId, payload.length)
  framed.set(payload, framingBytes)
  return framed
}

/**
 * The schema that stored bytes name.
 * @throws UndecodableRecord with the texts of Confluent's deserializers.
 */
export function schemaNameOf(bytes: Buffer, header: Buffer | null): SchemaName {
  if (header === null) {
    if (bytes.length < framingBytes || bytes[0] !== magicId)
      throw new UndecodableRecord('Unknown magic byte!')
    return bytes.readInt32BE(1)
  }
  if (header[0] === magicId && header.length >= framingBytes) return header.readInt32BE(1)
  if (header[0] === magicGuid && header.length >= guidFramingBytes) return uuidText(header.subarray(1, 17))
  throw new UndecodableRecord('Unknown magic byte in the schema id header!')
}

/** What follows the schema's name. `schemaNameOf` has accepted the same arguments. */
export function payloadOf(bytes: Buffer, header: Buffer | null): Buffer {
  if (header === null) return bytes.subarray(framingBytes)
  const rest = header.subarray(header[0] === magicId ? framingBytes : guidFramingBytes)
  return rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
