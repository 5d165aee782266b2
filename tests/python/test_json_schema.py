"""Answers that follow a JSON schema."""

import json
from typing import Literal

import pydantic

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "population": {"type": "integer"},
        "coastal": {"type": "boolean"},
        "rivers": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["city", "population", "coastal", "rivers"],
    "additionalProperties": False,
}
QUESTION = [{"role": "user", "content": "Describe Oslo."}]


class Place(pydantic.BaseModel):
    name: str
    kind: Literal["city", "river"]
    inhabitants: int


def test_an_answer_follows_the_schema(client, model):
    answer = client.chat.completions.create(
        model=model,
        messages=QUESTION,
        response_format={"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}},
    )
    place = json.loads(answer.choices[0].message.content)
    assert set(place) == set(SCHEMA["required"])
    assert isinstance(place["population"], int) and isinstance(place["coastal"], bool)
    assert isinstance(place["rivers"], list)


def test_the_clients_parser_returns_the_callers_type(client, model):
    answer = client.chat.completions.parse(model=model, messages=QUESTION, response_format=Place)
    assert isinstance(answer.choices[0].message.parsed, Place)


def test_a_json_object_is_an_object(client, model):
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Answer in JSON."}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
