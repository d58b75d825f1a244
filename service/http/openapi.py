"""The API's document: what FastAPI says of the routes, made such that clients can be generated.

Routes added later are treated as all others: nothing here names one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.formats.catalogue import DEFAULT, every
from service.formats.format import Format
from service.formats.record_schemas import AnswerRecord
from service.http.api_keys import OPEN
from service.http.documented_problems import problems
from service.http.upload import FIELD
from service.understanding.schemas import Problem
from ssuformer.errors import KeyRefused, OptionError, SsuError

_CLIP = {"type": "string", "format": "binary", "description": "The clip."}
_FORM = "multipart/form-data"
_REFERENCE = "#/components/schemas/{model}"
_SCHEME = "key"
_METHODS = frozenset(("get", "post", "put", "patch", "delete"))
_ANSWER_HEADERS = {
    "Content-Disposition": {
        "description": "A name for the answer's file, with the suffix of its format.",
        "schema": {"type": "string"},
    },
    "Server-Timing": {
        "description": "Milliseconds per stage, until the first byte.",
        "schema": {"type": "string"},
    },
}
_RECORD = {"$ref": _REFERENCE.format(model="AnswerRecord")}
_NO_SCHEMAS = frozenset(("HTTPValidationError", "ValidationError"))
_UNSENT = frozenset(("anyOf", "default", "title"))


def clip_body(
    options: type[BaseModel], *, required: bool = True, left_out: Collection[str] = ()
) -> dict[str, Any]:
    """Return a route's `openapi_extra`: a clip, as it is or in a form that may hold options."""
    fields = options.model_json_schema()["properties"].items()
    form = {
        "type": "object",
        "title": f"{options.__name__}Form",
        "required": [FIELD],
        "properties": {FIELD: _CLIP, **{k: v for k, v in fields if k not in left_out}},
        "additionalProperties": False,
    }
    content = {
        _FORM: {"schema": form},
        "application/octet-stream": {"schema": _CLIP},
        "video/*": {"schema": _CLIP},
    }
    return {"requestBody": {"required": required, "content": content}}


def form_body(field: str, said: str) -> dict[str, Any]:
    """Return a route's `openapi_extra`: a file as it is, or in a field of a form."""
    file = {**_CLIP, "description": said}
    form = {
        "type": "object",
        "title": f"{field.capitalize()}UploadForm",
        "required": [field],
        "properties": {field: file},
        "additionalProperties": False,
    }
    content = {_FORM: {"schema": form}, "application/octet-stream": {"schema": file}}
    return {"requestBody": {"required": True, "content": content}}


def answers() -> dict[str, Any]:
    """Return the answer of a route in all formats, the default one left to its response model."""
    others = (one for one in every() if one.name != DEFAULT)
    return {
        "description": "The answer, in the format asked for.",
        "headers": _ANSWER_HEADERS,
        "content": {one.media_type: _content(one) for one in others},
    }


def _content(form: Format) -> dict[str, Any]:
    if form.write_record is not None:
        return {"schema": _text(form), "itemSchema": _RECORD}
    if form.media_type.endswith("json"):
        return {"schema": {"type": ["object", "array"], "description": form.summary}}
    if form.media_type.startswith("text/") or form.media_type.endswith(("xml", "subrip")):
        return {"schema": _text(form)}
    return {"schema": {"type": "string", "format": "binary", "description": form.summary}}


def _text(form: Format) -> dict[str, Any]:
    return {"type": "string", "description": form.summary}


class DocumentedApp(FastAPI):
    """An application whose document tells all that may be sent and answered."""

    keys: bool = False
    """Whether requests need a key."""

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        if self.openapi_schema is None:
            self.openapi_schema = _refined(super().openapi(), keys=self.keys)
        return self.openapi_schema


def _refined(document: dict[str, Any], *, keys: bool) -> dict[str, Any]:
    """Return a document of FastAPI's with problems, records, keys, and options as they are sent."""
    document = deepcopy(document)
    components = document["components"]
    components["schemas"] = _schemas(components["schemas"])
    if keys:
        scheme = {"type": "http", "scheme": "bearer", "description": "A key of this service."}
        components["securitySchemes"] = {_SCHEME: scheme}
        document["security"] = [{_SCHEME: []}]
    for path, operation in _operations(document):
        closed = keys and path not in OPEN
        operation["responses"] = _responses(operation["responses"], closed=closed)
        _share_parameters(operation, components["schemas"])
        _share_form(operation, components["schemas"])
        if keys and not closed:
            operation["security"] = []
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        yield from ((path, one) for method, one in item.items() if method in _METHODS)


def _schemas(known: Mapping[str, Any]) -> dict[str, Any]:
    _, found = models_json_schema(
        [(Problem, "serialization"), (AnswerRecord, "serialization")],
        ref_template=_REFERENCE,
    )
    kept = {name: schema for name, schema in known.items() if name not in _NO_SCHEMAS}
    return dict(sorted({**found["$defs"], **kept}.items()))


def _share_parameters(operation: Mapping[str, Any], schemas: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        schema = _shared(parameter["name"], _sent(parameter["schema"]), schemas)
        if "description" in schema:
            parameter["description"] = schema.pop("description")
        parameter["schema"] = schema


def _share_form(operation: Mapping[str, Any], schemas: dict[str, Any]) -> None:
    content = operation.get("requestBody", {}).get("content", {})
    if form := content.get(_FORM):
        schema = form["schema"]
        fields = schema["properties"].items()
        own = {name: _shared(name, _sent(field), schemas) for name, field in fields}
        schemas[schema["title"]] = {**schema, "properties": own}
        form["schema"] = {"$ref": _REFERENCE.format(model=schema["title"])}


def _shared(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that refers to its names, if it has any: the query and forms share them."""
    if "enum" not in schema:
        return schema
    known = "".join(word.capitalize() for word in name.split("_"))
    names = {"type": schema["type"], "enum": schema["enum"], "title": known}
    if schemas.setdefault(known, names) != names:
        return schema
    own = {key: value for key, value in schema.items() if key not in names}
    return {"$ref": _REFERENCE.format(model=known), **own}


def _responses(told: Mapping[str, Any], *, closed: bool) -> dict[str, Any]:
    """Return what a route answers, with what any route does."""
    kinds: list[type[SsuError]] = [KeyRefused] if closed else []
    if _is_validation(told.get("422", {})):
        kinds.append(OptionError)
    own = {
        status: response
        for status, response in told.items()
        if not _is_validation(response) and (closed or status != "401")
    }
    shared = {str(status): response for status, response in problems(*kinds).items()}
    return dict(sorted({**shared, **own}.items()))


def _is_validation(response: Mapping[str, Any]) -> bool:
    """Return whether FastAPI added this by itself; here, such an answer is a problem."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/HTTPValidationError")


def _sent(option: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an option in a query or a form, where nothing is null.

    Its default is told in words: generated clients would send it, in the query and in the form.
    """
    schema = {key: value for key, value in option.items() if key not in _UNSENT}
    variants = [one for one in option.get("anyOf", ()) if one.get("type") != "null"]
    if len(variants) == 1:
        schema |= variants[0]
    elif variants:
        schema["anyOf"] = variants
    if (default := option.get("default")) is not None:
        shown = default if isinstance(default, str) else json.dumps(default)
        told = f"Default: `{shown}`."
        schema["description"] = f"{option.get('description', '')} {told}".strip()
    return schema
