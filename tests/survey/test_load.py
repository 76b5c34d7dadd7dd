"""Many participants at once, alone and beside an outsider: acknowledged answers are stored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

from invariscope.survey.participant_server import STARTS

pytestmark = pytest.mark.statistical
LOAD = Path(__file__).parents[2] / "benchmarks" / "survey.py"


def test_500_participants_at_once_lose_no_answer(tmp_path):
    out = tmp_path / "survey.json"
    command = [sys.executable, str(LOAD), "--participants", "500", "--seconds", "20"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    found = json.loads(out.read_text())
    assert found["stored"] == found["given"] >= 500 * 5


def test_an_outsider_takes_few_places_and_no_answer(tmp_path):
    """Half heads, endless bodies, starts and requests from one address, for some seconds."""
    out = tmp_path / "survey.json"
    command = [sys.executable, str(LOAD), "--participants", "50", "--seconds", "8", "--outsider"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    found = json.loads(out.read_text())
    assert found["stored"] == found["given"] >= 50
    assert found["outsider"]["half_heads"] >= 20
    assert found["places_taken_by_the_outsider"] <= STARTS + 2  # so many at once, and one in 20 s
