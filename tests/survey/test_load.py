"""500 participants at once: every answer that was acknowledged is stored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `survey` is not installed")

pytestmark = pytest.mark.statistical
LOAD = Path(__file__).parents[2] / "benchmarks" / "survey.py"


def test_500_participants_at_once_lose_no_answer(tmp_path):
    out = tmp_path / "survey.json"
    command = [sys.executable, str(LOAD), "--participants", "500", "--seconds", "20"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    found = json.loads(out.read_text())
    assert found["stored"] == found["given"] >= 500 * 5
