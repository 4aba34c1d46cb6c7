"""The page at /docs: the OpenAPI description as plain HTML, without a script from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]


def docs_page(description: Schema) -> str:
    """A page about every route.

    Args:
        description: of the application, as OpenAPI has it.
    """
    title = escape(description["info"]["title"])
    body = "\n".join(_operations(description))
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/page/docs.css"></head>\n'
        f'<body><main><h1>{title}</h1><p><a href="/">Page</a> · '
        '<a href="/openapi.json">openapi.json</a></p>\n'
        f"{body}\n</main></body></html>\n"
    )


def _operations(description: Schema) -> Iterator[str]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"<section><h2><span>{method.upper()}</span> <code>{escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield from _fields(operation, description)
            yield from _answers(operation)
            yield "</section>"


def _fields(operation: Schema, description: Schema) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    for kind, held in content.items():
        schema = _resolved(held["schema"], description)
        required = schema.get("required", ())
        yield f"<p>Fields, as <code>{escape(kind)}</code>:</p><table>"
        yield "<tr><th>field</th><th>type</th><th>default</th><th>meaning</th></tr>"
        for name, field in schema.get("properties", {}).items():
            default = "required" if name in required else str(field.get("default", ""))
            cells = (_type(field, description), escape(default))
            meaning = escape(field.get("description", ""))
            yield f"<tr><td><code>{escape(name)}</code></td><td>{cells[0]}</td>"
            yield f"<td>{cells[1]}</td><td>{meaning}</td></tr>"
        yield "</table>"


def _answers(operation: Schema) -> Iterator[str]:
    yield "<table><tr><th>status</th><th>answer</th></tr>"
    for status, answer in operation.get("responses", {}).items():
        yield f"<tr><td>{escape(str(status))}</td><td>{escape(answer['description'])}</td></tr>"
    yield "</table>"


def _type(field: Schema, description: Schema) -> str:
    field = _resolved(field, description)
    if "enum" in field or "const" in field:
        return escape(", ".join(map(str, field.get("enum", [field.get("const")]))))
    if "anyOf" in field:
        kinds = [each for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(_type(each, description) for each in kinds)
    if field.get("type") == "array":
        return f"list of {_type(field['items'], description)}"
    is_file = field.get("format") == "binary" or "contentMediaType" in field
    return "file" if is_file else escape(str(field.get("type", "")))


def _resolved(schema: Schema, description: Schema) -> Schema:
    """What a reference stands for."""
    while "$ref" in schema:
        found: Any = description
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema
