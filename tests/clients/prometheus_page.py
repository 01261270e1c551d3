"""Reads a page of metrics from standard input with Prometheus' client, and tells what it saw as JSON:
families by name, each with its type and the names and labels of its samples."""
import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    samples = sorted({f"{s.name}{sorted(s.labels.items())}" for s in family.samples})
    families[family.name] = {"type": family.type, "samples": samples}
json.dump(families, sys.stdout)
