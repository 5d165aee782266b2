"""Shared fixtures: one gateway before the embedded engine, and the vendors' clients pointed at it, unchanged."""

import httpx
import openai
import pytest

from forebay import Gateway

MODEL = "forebay-sim"

# What it asserts is told in full, as in a test's own file.
pytest.register_assert_rewrite("edge_faults")


# Files that take minutes. Each runs on one worker. If they started last, the other workers would have nothing to do.
SLOW = ("test_edge_faults.py", "test_edges.py", "test_spin_guardrails.py", "test_cline.py", "test_operations.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


def pytest_addoption(parser):
    parser.addoption("--engine", metavar="URL", help="the real engine that the engine part puts the gateway before")


@pytest.fixture(scope="session")
def gateway():
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def client(gateway):
    """The official client as a user would make it; retries off, so that a failure shows."""
    with openai.OpenAI(base_url=gateway.api, api_key="unused", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def http():
    with httpx.Client(timeout=60) as http:
        yield http


@pytest.fixture
def model():
    return MODEL
