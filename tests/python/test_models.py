"""The list of models."""

import openai
import pytest


def test_the_engines_models_are_listed(client, model):
    assert model in [entry.id for entry in client.models.list()]


def test_one_model_is_described(client, model):
    assert client.models.retrieve(model).id == model


def test_a_model_that_is_not_there_is_not_found(client):
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")
