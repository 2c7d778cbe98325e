"""Known vulnerabilities in what is installed, by pip-audit; told and skipped where it knows none.

python -m tests.helpers.audit
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = "-m pip_audit --local --skip-editable --progress-spinner off --format json"


def judge(output: str, trouble: str) -> tuple[int, list[str]]:
    """Exit status and what to say.

    Args:
        output: pip-audit's JSON; anything else where it did not come so far.
        trouble: its messages.
    """
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except ValueError:
        return 0, [f"Audit skipped: pip-audit reached no database: {trouble.strip()[-300:]}"]
    known = [package for package in found if "skip_reason" not in package]
    if not known:
        return 0, ["Audit skipped: pip-audit's database knows none of the packages here."]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in known
        for flaw in package["vulns"]
    ]
    summary = f"{len(known)} of {len(found)} packages audited, {len(lines)} vulnerabilities"
    return (1 if lines else 0), [*lines, summary]


if __name__ == "__main__":
    done = subprocess.run([sys.executable, *COMMAND.split()], capture_output=True, text=True)
    status, said = judge(done.stdout, done.stderr)
    print("\n".join(said))
    sys.exit(status)
