import protobuf, { type INamespace } from 'protobufjs'
import api from 'protobufjs/google/protobuf/api.json' with { type: 'json' }
import descriptor from 'protobufjs/google/protobuf/descriptor.json' with { type: 'json' }
import sourceContext from 'protobufjs/google/protobuf/source_context.json' with { type: 'json' }
import type from 'protobufjs/google/protobuf/type.json' with { type: 'json' }
import { knownFiles } from './proto-known-files.ts'

type Nested = NonNullable<INamespace['nested']>

/** Those of google/protobuf/ that protobufjs ships beside its own list, with what they import in turn. */
const shipped: Readonly<Record<string, { readonly json: INamespace; readonly imports: readonly string[] }>> =
  {
    'google/protobuf/descriptor.proto': { json: descriptor, imports: [] },
    'google/protobuf/source_context.proto': { json: sourceContext, imports: [] },
    'google/protobuf/type.proto': {
      json: type,
      imports: ['google/protobuf/any.proto', 'google/protobuf/source_context.proto'],
    },
    'google/protobuf/api.proto': {
      json: api,
      imports: [
        'google/protobuf/type.proto',
        'google/protobuf/any.proto',
        'google/protobuf/source_context.proto',
      ],
    },
  }

/** What a file declares, and what it imports in turn. */
interface BundledFile {
  readonly nested: Nested
  readonly imports: readonly string[]
}

/** Whether a file may be imported without being a reference of the schema, as in Confluent's registry. */
export function isBundled(name: string): boolean {
  return bundledFile(name) !== undefined
}

/** The bundled files among `imports`, and those that they import. The others have to be references. */
export function bundledImports(imports: readonly string[]): ReadonlyMap<string, Nested> {
  const found = new Map<string, Nested>()
  const open = [...imports]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const file = found.has(name) ? undefined : bundledFile(name)
    if (file === undefined) continue
    found.set(name, file.nested)
    open.push(...file.imports)
  }
  return found
}

function bundledFile(name: string): BundledFile | undefined {
  if (Object.hasOwn(knownFiles, name)) return parsedFile(knownFiles[name] ?? '')
  if (!name.startsWith('google/protobuf/')) return undefined
  const own = Object.hasOwn(shipped, name) ? shipped[name] : undefined
  const nested = (own?.json ?? protobuf.common.get(name))?.nested
  return nested === undefined ? undefined : { nested, imports: own?.imports ?? [] }
}

function parsedFile(text: string): BundledFile {
  const { root, imports } = protobuf.parse(`syntax = "proto3"; ${text}`, new protobuf.Root(), {
    keepCase: true,
  })
  return { nested: root.toJSON().nested ?? {}, imports: imports ?? [] }
}
