"""A whole session on a simulated brain."""

import pytest


def test_a_session_runs_to_its_end(make_session):
    session = make_session()
    records = session.run()
    print(records[0].front, records[0].outcome)
    assert len(records) == 1
