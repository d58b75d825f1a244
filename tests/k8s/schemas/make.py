"""Writes the schemas beside it: those of the custom resources, strict, from published models.

Wants a Python with the packages that README.md names: `python tests/k8s/schemas/make.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor

KINDS = (ScaledObject, PodMonitor, PrometheusRule, ServiceMonitor)


def strict(schema: Any) -> Any:  # noqa: ANN401
    """Return a schema without what only describes, that refuses unknown fields and null."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == 1:
        return strict(kinds[0])
    kept: dict[str, Any] = {"anyOf": strict(kinds)} if kinds else {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: strict(one) for name, one in value.items()}
        elif key not in ("anyOf", "default", "description", "title"):
            kept[key] = strict(value)
    if kept.get("properties"):
        kept.setdefault("additionalProperties", False)
    return kept


def main() -> None:
    """Write a file for each kind."""
    for kind in KINDS:
        schema = strict(kind.model_json_schema(by_alias=True))
        # The cluster's own; metadata is Kubernetes' and held to its schema elsewhere.
        schema["properties"].pop("status", None)
        schema["properties"]["metadata"] = {"type": "object"}
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        text = json.dumps(schema, separators=(",", ":"), sort_keys=True)
        Path(__file__).with_name(f"{kind.__name__}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
