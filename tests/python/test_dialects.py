"""What users of other gateways reported about translation: the files of dialects/cases and the rows of the tables in
dialects/reports, before scripted upstreams."""

import pathlib
import re
import subprocess
import sys

import pytest

from dialects.run_cases import all_cases
from forebay import BINARY

FOLDER = pathlib.Path(__file__).parent / "dialects"
CASES = [case.FILE for case in all_cases()]


@pytest.fixture(scope="module")
def verdicts():
    """One gateway for all cases: what the runner says of each."""
    command = [sys.executable, FOLDER / "run_cases.py", "--forebay", BINARY]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    lines = re.findall(r"^(\w+)\s+([\w-]+): (.*)$", ran.stdout, re.MULTILINE)
    assert lines, ran.stdout + ran.stderr
    return {name: (verdict, said) for verdict, name, said in lines}


def test_no_two_cases_have_one_name():
    assert len(set(CASES)) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_what_was_reported_elsewhere_works_here(case, verdicts):
    verdict, said = verdicts[case]
    assert verdict == "PASS", said
