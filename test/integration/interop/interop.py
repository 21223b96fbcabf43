"""Serializes and deserializes with Confluent's Python client, for the interop tests.

Reads one JSON list of jobs from standard input and writes one list of results. A job:
  {"do": "write" | "read", "format", "topic", "side", "schema", "references": [{"name", "schema"}], "message",
   "value": JSON, or for "read" "bytes": base64, "autoRegister": bool}
A result is {"bytes": base64 | null} or {"value": JSON}. Inside JSON values bytes are
{"$bytes": base64}, decimals {"$decimal": text}, times {"$time": ISO 8601}.
"""

import base64
import datetime
import decimal
import json
import os
import sys
import tempfile

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.type import money_pb2
from grpc_tools import protoc

registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})


def to_python(value):
    if isinstance(value, dict):
        if list(value) == ["$bytes"]:
            return base64.b64decode(value["$bytes"])
        if list(value) == ["$decimal"]:
            return decimal.Decimal(value["$decimal"])
        if list(value) == ["$time"]:
            return datetime.datetime.fromisoformat(value["$time"])
        return {key: to_python(inner) for key, inner in value.items()}
    return [to_python(inner) for inner in value] if isinstance(value, list) else value


def to_json(value):
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, decimal.Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return {"$time": value.isoformat(timespec="microseconds")}
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


def references_of(job, schema_type):
    """Registers the schemas that the job's schema refers to, in their order, and names them."""
    made = []
    for reference in job.get("references", []):
        schema = Schema(reference["schema"], schema_type, references=list(made))
        subject = job["topic"] + "-" + reference["name"].replace("/", "-")
        registry.register_schema(subject, schema)
        version = registry.lookup_schema(subject, schema).version
        made.append(SchemaReference(reference["name"], subject, version))
    return made


def message_class(job):
    """Compiles the `.proto` texts with protoc; the class does not come from our parser."""
    with tempfile.TemporaryDirectory() as folder:
        texts = [("main_%s.proto" % job["topic"], job["schema"])]
        texts += [(reference["name"], reference["schema"]) for reference in job.get("references", [])]
        for name, text in texts:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        output = os.path.join(folder, "set")
        include = os.path.join(os.path.dirname(protoc.__file__), "_proto")
        known = os.path.dirname(os.path.dirname(os.path.dirname(money_pb2.__file__)))
        arguments = ["protoc", "-I" + folder, "-I" + include, "-I" + known, "--include_imports", "--descriptor_set_out=" + output]
        if protoc.main(arguments + [texts[0][0]]) != 0:
            raise ValueError("protoc refused " + job["schema"])
        with open(output, "rb") as file:
            files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(job["message"])), pool


def write(job, context):
    value = to_python(job["value"])
    conf = {"auto.register.schemas": job.get("autoRegister", True)}
    if job["format"] == "avro":
        schema = Schema(job["schema"], "AVRO", references=references_of(job, "AVRO"))
        return AvroSerializer(registry, schema, conf=conf)(value, context)
    if job["format"] == "jsonschema":
        schema = Schema(job["schema"], "JSON", references=references_of(job, "JSON"))
        return JSONSerializer(schema, registry, conf=conf)(value, context)
    message_type, pool = message_class(job)
    message = None if value is None else json_format.ParseDict(value, message_type(), descriptor_pool=pool)
    return ProtobufSerializer(message_type, registry, conf)(message, context)


def read(job, context):
    data = None if job["bytes"] is None else base64.b64decode(job["bytes"])
    if job["format"] == "avro":
        return to_json(AvroDeserializer(registry, return_record_name=True)(data, context))
    if job["format"] == "jsonschema":
        references = references_of(job, "JSON")
        schema = Schema(job["schema"], "JSON", references=references)
        return JSONDeserializer(schema, schema_registry_client=registry)(data, context)
    message_type, pool = message_class(job)
    message = ProtobufDeserializer(message_type)(data, context)
    if message is None:
        return None
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True, descriptor_pool=pool)


def run(job):
    field = MessageField.KEY if job["side"] == "key" else MessageField.VALUE
    context = SerializationContext(job["topic"], field, headers=[])
    if job["do"] == "read":
        return {"value": read(job, context)}
    data = write(job, context)
    return {"bytes": None if data is None else base64.b64encode(data).decode()}


json.dump([run(job) for job in json.load(sys.stdin)], sys.stdout)
