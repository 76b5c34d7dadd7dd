"""The small session of `written`, and responses with known variances."""

import pytest
from written import make_session


@pytest.fixture
def session():
    return make_session()
