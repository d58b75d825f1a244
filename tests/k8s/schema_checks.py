"""The schemas: Kubernetes' own, strict, and those of the custom resources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
from kubernetes_validate import SchemaNotFoundError

from tests.k8s.manifests import Manifests, Object, called

VERSION = "1.32"
_SCHEMAS = Path(__file__).with_name("schemas")
_VERSIONS = {"keda.sh": "keda.sh/v1alpha1", "monitoring.coreos.com": "monitoring.coreos.com/v1"}


def schemas_hold(manifests: Manifests) -> Iterator[str]:
    """Every object is of a kind that is known, and has no field that its schema does not know."""
    for one in manifests.objects:
        try:
            if one["apiVersion"] in _VERSIONS.values():
                _custom(one["kind"]).validate(one)
            else:
                kubernetes_validate.validate(one, VERSION, strict=True)
        except (jsonschema.ValidationError, SchemaNotFoundError) as error:
            yield f"{called(one)}: {error.message} {list(getattr(error, 'path', ()))}"


@cache
def _custom(kind: str) -> jsonschema.Draft202012Validator:
    schema: Object = json.loads((_SCHEMAS / f"{kind}.json").read_text())
    return jsonschema.Draft202012Validator(schema)
