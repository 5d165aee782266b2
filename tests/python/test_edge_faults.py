"""Edges that are set up wrongly, stores that misbehave, requests that are too large: one table of faults
and platforms. A cell has what provokes the fault there, or why it can't happen there."""

import dataclasses
import re

import pytest

import edge_faults as faults
from edges import PLATFORMS, Edge, ask, engine, misbehaving, on, release  # noqa: F401
from forebay import ROOT


@dataclasses.dataclass
class Never:
    """It can't be provoked on this machine, or not at all."""

    why: str


def everywhere(*cell):
    return dict.fromkeys(PLATFORMS, cell)


OWN_MEMORY = Never("its store is its own memory, which nothing can damage from outside")
NO_LIST = Never("it has no list of hosts")

# By the names that docs/edges.md has for them.
TABLE = {
    "a variable is not set": {
        **everywhere(faults.variable_is_named_to_every_client),
        "spin-up": (faults.variable_is_named_at_the_start,),
    },
    "the release is of another version": everywhere(faults.release_asks_to_be_baked_again),
    "no store is bound": {
        **everywhere(faults.no_store_is_a_warning),
        "wasmtime": (faults.no_store_is_refused_at_the_start,),
    },
    "the store fails or is silent": {
        "spin-up": (faults.store_that_refuses_connections, faults.store_that_never_answers),
        "wasmtime": OWN_MEMORY,
        "worker": (faults.namespace_that_fails, faults.namespace_that_hangs),
        "viceroy": OWN_MEMORY,
    },
    "an entry is torn, of another key, of a later form or no entry at all": {
        "spin-up": (faults.damaged_entries_are_written_anew,),
        "wasmtime": OWN_MEMORY,
        "worker": (faults.namespace_that_lies,),
        "viceroy": OWN_MEMORY,
    },
    "the upstream is not allowed": {
        "spin-up": (faults.upstream_outside_the_manifest,),
        "wasmtime": NO_LIST,
        "worker": NO_LIST,
        "viceroy": (faults.upstream_without_a_backend,),
    },
    "a body over `limits.body` (8 MiB)": everywhere(faults.body_over_our_limit),
    "a body over the platform's own limit": everywhere(faults.body_over_a_platforms_limit),
    "an instance is out of memory": {
        "spin-up": (faults.memory_runs_out,),
        "wasmtime": (faults.memory_runs_out,),
        "worker": Never("workerd has no limit of its own"),
        "viceroy": Never("Viceroy has no limit that can be set"),
    },
    "a policy traps": everywhere(faults.trap_ends_its_request_alone),
}
CELLS = [
    pytest.param(platform, provoke, id=f"{platform}-{provoke.__name__}")
    for row in TABLE.values()
    for platform, cell in row.items()
    if not isinstance(cell, Never)
    for provoke in cell
]


@pytest.mark.parametrize(("platform", "provoke"), CELLS)
def test_a_fault_is_told_and_costs_no_more_than_its_request(platform, provoke, engine, release, misbehaving, tmp_path):
    provoke(faults.Case(platform, engine, release, misbehaving, tmp_path))


def test_the_page_has_a_row_for_each_fault_and_every_platform_has_a_cell():
    page = (ROOT / "docs/edges.md").read_text().split("\n## Errors\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    assert rows == ["---", *TABLE]
    for fault, row in TABLE.items():
        assert set(row) == set(PLATFORMS), fault


def test_a_short_master_secret_is_told_without_its_value(engine, release, tmp_path):
    words, mark = on("wasmtime", engine, release, tmp_path)
    words = [str(word).replace("sixteen bytes or more", "tiny-secret") for word in words]
    with Edge(words, mark) as edge:
        message = faults.refused(edge, "/v1/chat/completions")
        edge.logged("shorter than 16 bytes")
        said = "".join(edge.said)
    assert "shorter than 16 bytes" in message
    assert "tiny-secret" not in message + said


def test_a_declared_backend_of_fastly_serves_its_upstream(engine, release, misbehaving, tmp_path):
    case = faults.Case("viceroy", engine, release, misbehaving, tmp_path)
    # Nothing else knows this host.
    with faults.before_viceroy(case, ("engine.invalid", engine.url), "http://engine.invalid") as edge:
        assert ask(edge).status_code == 200
