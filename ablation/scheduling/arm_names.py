"""What the arms of a search's trials are called: a name for each setting, and none for two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ablation.design.arms import Plan, arm_name, full_length
from ablation.objective import Setting
from ablation.storage import TrialRow


class ArmNames:
    """Names by the digest of an arm's setting at full length.

    Names show numbers to six digits, so two settings may come to the same one. The first then keeps
    it, and the others show all of their digits.
    """

    def __init__(self, plan: Plan, rows: Iterable[TrialRow] = ()) -> None:
        """Begin with the plan's own arms and the trials that a search has, by number."""
        self.space = plan.space
        self.by_digest = {arm.setting.digest: arm.name for arm in plan.arms}
        self.digests = {name: digest for digest, name in self.by_digest.items()}
        for row in rows:
            if "arm" in row.attributes:
                self.of(self.setting(row), row.attributes["arm"])

    def setting(self, row: TrialRow) -> Setting:
        """The setting of a trial's arm."""
        return full_length(self.space, row.attributes["setting"])

    def of(self, setting: Setting, known: str = "") -> str:
        """The name of a setting.

        Args:
            setting: at full length.
            known: what its trial is called in the storage: kept unless another setting has it.
        """
        digest = setting.digest
        if digest not in self.by_digest:
            own = known or arm_name(self.space, setting)
            name = arm_name(self.space, setting, self.digests) if own in self.digests else own
            self.by_digest[digest] = name
            self.digests[name] = digest
        return self.by_digest[digest]

    def renamed(self, row: TrialRow) -> TrialRow:
        """A trial under its arm's name; a draw that has no arm as it is.

        A setting that was tried before may have been spelled otherwise, and stays as it was.
        """
        if "arm" not in row.attributes:
            return row
        known, setting = row.attributes["arm"], self.setting(row)
        if "duplicate_of" in row.attributes and known not in self.digests:
            return row
        name = self.of(setting, known)
        return row if name == known else replace(row, attributes={**row.attributes, "arm": name})
