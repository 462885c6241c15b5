"""Decodes OTLP/HTTP JSON with the official protocol buffers; every field must be one of theirs.

Reads one body a line, prints one JSON line for each span. Ids are hexadecimal in OTLP's JSON, where protocol buffers'
own JSON has base64: they are only read as what they are not, and told as they came.
"""

import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

for line in sys.stdin:
    request = json_format.Parse(line, ExportTraceServiceRequest(), ignore_unknown_fields=False)
    for resource in request.resource_spans:
        service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                print(json.dumps({
                    "service": service,
                    "scope": scope.scope.name,
                    "name": span.name,
                    "kind": span.kind,
                    "nanos": span.end_time_unix_nano - span.start_time_unix_nano,
                    "attributes": sorted(a.key for a in span.attributes),
                }))
