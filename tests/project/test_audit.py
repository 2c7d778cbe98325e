"""What is made of pip-audit's answers."""

from __future__ import annotations

import json
from typing import Any

from tests.helpers.audit import judge

FINE = {"name": "rich", "version": "13.9", "vulns": []}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found"}
FLAWED = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["3.1.4"]}, {"id": "CVE-2", "fix_versions": []}],
}


def answer(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_nothing_known_of_what_is_known() -> None:
    assert judge(answer(FINE, UNKNOWN), "") == (0, ["1 of 2 packages audited, 0 vulnerabilities"])


def test_a_vulnerability_fails() -> None:
    status, said = judge(answer(FINE, FLAWED), "Found 2 known vulnerabilities")
    assert status == 1
    assert said[:2] == [
        "jinja2 3.1.0: CVE-1, mended in 3.1.4",
        "jinja2 3.1.0: CVE-2, mended in no version yet",
    ]


def test_without_a_database_it_is_told_and_skipped() -> None:
    status, said = judge("", "ConnectionError: no route to host\n")
    assert status == 0
    assert said == [
        "Audit skipped: pip-audit reached no database: ConnectionError: no route to host"
    ]
    assert judge(answer(UNKNOWN), "")[1][0].startswith("Audit skipped")
