"""The smallest value that satisfies a JSON schema, always the same one."""

import jsonschema

DEPTH = 16


def sample(schema, root=None, depth=0):
    """A value valid for `schema`. Handles what structured output allows: types, enum, const, anyOf, $ref, bounds."""
    root = schema if root is None else root
    if depth > DEPTH or schema is True:
        return None
    if "$ref" in schema:
        return sample(_resolve(schema["$ref"], root), root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    return _KINDS[kind.lower()](schema, root, depth)


def valid(schema):
    """A sample that is proven valid, as text; a schema that is none at all is a ValueError."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        value = sample(schema)
        jsonschema.validate(value, schema)
    except (jsonschema.SchemaError, jsonschema.ValidationError) as error:
        raise ValueError(f"not a JSON schema this fake can meet: {error.message}") from error
    return value


def _resolve(reference, root):
    for part in reference.removeprefix("#").strip("/").split("/"):
        root = root[part] if part else root
    return root


def _object(schema, root, depth):
    names = schema.get("required") or []
    return {name: sample(schema.get("properties", {}).get(name, {}), root, depth + 1) for name in names}


def _array(schema, root, depth):
    return [sample(schema.get("items", {}), root, depth + 1) for _ in range(schema.get("minItems", 1))]


def _integer(schema, *_):
    return schema.get("minimum", 1)


_KINDS = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "number": lambda schema, *_: schema.get("minimum", 0.5),
    "string": lambda schema, *_: "Zürich".ljust(schema.get("minLength", 0), "."),
    "boolean": lambda *_: True,
    "null": lambda *_: None,
}
