"""The environment of processes that run a user's code."""

from __future__ import annotations

from ablation.folders import ENVIRONMENT_VARIABLE
from ablation.process.surroundings import leads_to_storage, without_storage


def test_nothing_that_leads_to_a_storage_is_left() -> None:
    secret = {ENVIRONMENT_VARIABLE: "x", "PGPASSWORD": "x", "PGHOST": "x", "PGSSLKEY": "x"}
    plain = {"HOME": "/here", "CRNN_STUDY_DATA": "/there", "MY_PG": "x"}
    assert without_storage({**secret, **plain}) == plain
    assert all(map(leads_to_storage, secret))
