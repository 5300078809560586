"""Reads scraped metrics with the parsers of prometheus-client: one line for each file that holds what it should."""

import sys
from importlib.metadata import version

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text


def check(path):
    with open(path, encoding="utf-8") as file:
        content = file.read()
    parse = open_metrics if path.endswith(".openmetrics") else text
    families = {family.name: family for family in parse(content)}
    requests = families["http_server_requests_seconds"]
    assert requests.type == "histogram", requests
    counts = [s for s in requests.samples if s.name.endswith("_count")]
    assert sum(s.value for s in counts) > 0, path
    wanted = {"method", "uri", "status", "outcome", "exception", "error"}
    assert all(set(s.labels) == wanted for s in counts), counts
    for bucket in (s for s in requests.samples if s.name.endswith("_bucket")):
        assert bucket.labels["le"] == "+Inf" or "." in bucket.labels["le"], bucket
    assert families["http_server_requests_seconds_max"].type == "gauge"
    events = families["logback_events"]
    assert events.type == "counter" and {s.labels["level"] for s in events.samples} & {"info", "warn"}, events
    for family in families.values():
        assert family.documentation, f"{path}: {family.name} says nothing of itself"
    print(f"ok prometheus-client {version('prometheus-client')} {path}")


for argument in sys.argv[1:]:
    check(argument)
