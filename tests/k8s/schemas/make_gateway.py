"""Writes the schemas of what docs/proxies/gateway-api.yaml holds, strict, from the projects' own
definitions, which README.md says how to fetch:

python tests/k8s/schemas/make_gateway.py GATEWAY_API NGINX_GATEWAY_FABRIC
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

API, NGINX = Path("config/crd/standard"), Path("config/crd/bases")
LEFT_OUT = ("description", "default", "title")


def strict(schema: Any) -> Any:  # noqa: ANN401
    """Return a schema without what only describes, that refuses unknown fields."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: strict(one) for name, one in value.items()}
        elif key not in LEFT_OUT and not key.startswith("x-kubernetes"):
            kept[key] = strict(value)
    if kept.get("properties"):
        kept["additionalProperties"] = False
    return kept


def main(gateway_api: str, nginx: str) -> None:
    """Write a file for each kind, of the version that is stored."""
    files = [Path(gateway_api) / API / "gateway.networking.k8s.io_httproutes.yaml"]
    files += [
        Path(nginx) / NGINX / f"gateway.nginx.org_{kind}.yaml"
        for kind in ("clientsettingspolicies", "proxysettingspolicies")
    ]
    for file in files:
        spec = next(yaml.safe_load_all(file.read_text()))["spec"]
        (stored,) = (one for one in spec["versions"] if one["storage"])
        schema = strict(stored["schema"]["openAPIV3Schema"])
        schema["properties"].pop("status", None)
        schema["properties"]["metadata"] = {"type": "object"}
        schema["properties"]["apiVersion"] = {"const": f"{spec['group']}/{stored['name']}"}
        schema["properties"]["kind"] = {"const": spec["names"]["kind"]}
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        text = json.dumps(schema, separators=(",", ":"), sort_keys=True)
        Path(__file__).with_name(f"{spec['names']['kind']}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
