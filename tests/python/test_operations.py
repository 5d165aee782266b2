"""Cases made of public bug reports of people who run gateways: each file in tests/operations/cases says what was done and what is right."""

import asyncio
import pathlib
import sys

import pytest

from forebay import BINARY

HERE = pathlib.Path(__file__).resolve().parent.parent / "operations"
sys.path.insert(0, str(HERE))

import lib  # noqa: E402
import run_cases  # noqa: E402

CASES = run_cases.load()


async def seen(module, path):
    case = lib.Case(path)
    try:
        return await module.run(case)
    finally:
        await case.end()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", sorted(CASES))
def test_case(name):
    module = CASES[name]
    try:
        asyncio.run(asyncio.wait_for(seen(module, str(BINARY)), 150))
    except lib.Wrong as wrong:
        pytest.fail(f"{module.DID}\nright: {module.RIGHT}\nseen: {wrong}")
