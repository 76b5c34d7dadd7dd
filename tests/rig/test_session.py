"""A whole session on a simulated brain."""


def test_a_session_runs_to_its_end(make_session):
    session = make_session()
    records = session.run()

    assert len(records) == 1
