"""Decodes OTLP/HTTP JSON of logs with the official protocol buffers; every field must be one of theirs.

Reads one body a line, prints one JSON line for each log record.
"""

import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind)


def attributes(pairs):
    return {pair.key: plain(pair.value) for pair in pairs}


for line in sys.stdin:
    request = json_format.Parse(line, ExportLogsServiceRequest(), ignore_unknown_fields=False)
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                print(json.dumps({
                    "resource": attributes(resource.resource.attributes),
                    "scope": [scope.scope.name, scope.scope.version],
                    "timeMs": record.time_unix_nano // 1_000_000,
                    "observedMs": record.observed_time_unix_nano // 1_000_000,
                    "severity": [record.severity_number, record.severity_text],
                    "event": record.event_name,
                    "body": record.body.string_value,
                    "attributes": attributes(record.attributes),
                    "trace": record.trace_id.hex(),
                }))
