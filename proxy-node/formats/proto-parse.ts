import protobuf, { type Type } from 'protobufjs'
import descriptorTypes, { type IFileDescriptorProto } from 'protobufjs/ext/descriptor.js'
import type { SchemaSource } from './format.ts'
import { bundledImports, isBundled } from './proto-imports.ts'

const { FileDescriptorProto } = descriptorTypes

/** The messages of one file, nested in each other, in the order of the text: what message indexes count (contract v2 §6.3). */
export interface MessageTree {
  readonly type: Type
  readonly nested: readonly MessageTree[]
}

export interface ParsedProto {
  /** Of the schema itself, not of what it imports. */
  readonly messages: readonly MessageTree[]
  /** All message types, of what it imports too. */
  readonly types: readonly Type[]
}

/**
 * Parses a schema with all that it imports. A text is a `.proto` file, or a FileDescriptorProto in base64, as some
 * clients register it.
 * @throws Error of any kind when it is not what it should be.
 */
export function parseProto({ text, references }: SchemaSource): ParsedProto {
  const root = new protobuf.Root()
  const bundled = new Set<string>()
  // One schema may be there under two names; its types can be defined only once.
  const referred = new Set(references.filter(({ name }) => !isBundled(name)).map(reference => reference.text))
  referred.delete(text)
  for (const other of referred) addFile(other, root, bundled)
  const names = addFile(text, root, bundled)
  // Extensions of types that are not there are of no use, and do no harm.
  root.deferred = []
  root.resolveAll()
  return { messages: names.map(name => treeOf(root.lookupType(name))), types: allTypes(root) }
}

/** Adds one file, and what it imports of the bundled ones; returns the full names of its top-level messages. */
function addFile(text: string, root: protobuf.Root, bundled: Set<string>): readonly string[] {
  const file = fileDescriptor(text)
  if (file !== undefined) {
    addBundled(file.dependency, root, bundled)
    return addDescriptor(file, root)
  }
  const alone = root.nestedArray.length === 0
  const { imports, weakImports } = protobuf.parse(text, root, parseOptions)
  // With others in the root, the file is read a second time on its own, to tell its messages from theirs in the package.
  const names = topLevelNames(alone ? root : protobuf.parse(text, new protobuf.Root(), parseOptions).root)
  addBundled([...(imports ?? []), ...(weakImports ?? [])], root, bundled)
  return names
}

const parseOptions = { keepCase: true }

function addBundled(imports: readonly string[], root: protobuf.Root, bundled: Set<string>): void {
  for (const [name, json] of bundledImports(imports)) {
    if (bundled.has(name)) continue
    bundled.add(name)
    root.addJSON(json)
  }
}

/** The messages right inside the file's package; namespaces are all that is above them. */
function topLevelNames(namespace: protobuf.NamespaceBase): string[] {
  return namespace.nestedArray.flatMap(object => {
    if (object instanceof protobuf.Type) return [object.fullName]
    return object instanceof protobuf.Namespace ? topLevelNames(object) : []
  })
}

function allTypes(namespace: protobuf.NamespaceBase): Type[] {
  return namespace.nestedArray.flatMap(object => {
    const inside =
      object instanceof protobuf.Namespace || object instanceof protobuf.Type ? allTypes(object) : []
    return object instanceof protobuf.Type ? [object, ...inside] : inside
  })
}

function treeOf(type: Type): MessageTree {
  const nested = type.nestedArray.filter(object => object instanceof protobuf.Type)
  // A group is a message to protobufjs, and none to the counting of Confluent's clients.
  return { type, nested: nested.filter(inner => !isGroup(inner, type)).map(treeOf) }
}

/** proto2's `group G = 1 {…}` declares the message G and the field g. */
function isGroup(type: Type, parent: Type): boolean {
  const field = parent.fields[type.name.toLowerCase()]
  return field?.resolvedType === type && field.delimited
}

interface FileDescriptor {
  readonly package: string
  readonly dependency: readonly string[]
  readonly edition: string
  readonly descriptor: IFileDescriptorProto
}

/** Base64 is told from a `.proto` text by its letters: the text has at least a blank or a brace. */
function fileDescriptor(text: string): FileDescriptor | undefined {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text) || text.trim() === '') return undefined
  const decoded = FileDescriptorProto.decode(Buffer.from(text, 'base64')) as IFileDescriptorProto
  return {
    package: decoded.package ?? '',
    dependency: decoded.dependency ?? [],
    edition: editionOf(decoded),
    descriptor: decoded,
  }
}

/** `edition` is the number of the year (descriptor.proto, enum Edition). */
function editionOf({ syntax, edition }: IFileDescriptorProto): string {
  if (syntax !== 'editions') return syntax === 'proto3' ? 'proto3' : 'proto2'
  return `${1023 + (edition ?? 0)}`
}

function addDescriptor(file: FileDescriptor, root: protobuf.Root): readonly string[] {
  const namespace = file.package === '' ? root : root.define(file.package)
  const context = { edition: file.edition, keepCase: true }
  const types = (file.descriptor.messageType ?? []).map(type => protobuf.Type.fromDescriptor(type, context))
  for (const type of types) namespace.add(type)
  for (const type of file.descriptor.enumType ?? [])
    namespace.add(protobuf.Enum.fromDescriptor(type, context))
  return types.map(type => type.fullName)
}
