"""The numbers of the regression gate, each once."""

from dataclasses import dataclass

from clustermark.core.errors import UsageError
from clustermark.core.signed_rank import fewest_pairs


@dataclass(frozen=True)
class Rules:
    """What the gate asks for.

    Attributes
    ----------
    pairs, confirm_pairs : of stage 1 for every case, of stage 2 for suspects
    tolerance : relative change that is never called one (0.02 = 2 %)
    budget : "unchanged" needs the upper bound of the slowdown below this
    suspect_tail, unchanged_tail : one-sided error of the bound that makes a suspect, and of the one for "unchanged"
    family_error : probability of any false alarm over all suspects, by Holm
    """

    pairs: int = 10
    confirm_pairs: int = 20
    tolerance: float = 0.02
    budget: float = 0.05
    suspect_tail: float = 0.10
    unchanged_tail: float = 0.05
    family_error: float = 0.01

    def check(self) -> None:
        """Raise UsageError where no verdict could ever come of these rules."""
        least = max(fewest_pairs(self.suspect_tail), fewest_pairs(self.unchanged_tail))
        if self.pairs < least:
            raise UsageError(
                f"--pairs: is {self.pairs}, but fewer than {least} pairs can show nothing at these levels; give more"
            )
        least = fewest_pairs(self.family_error)
        if self.confirm_pairs < least:
            raise UsageError(
                f"--confirm-pairs: is {self.confirm_pairs}, but fewer than {least} pairs cannot confirm "
                f"at {self.family_error:.2g}; give more"
            )
        if not 0 <= self.tolerance < self.budget:
            raise UsageError(
                f"--tolerance: is {self.tolerance:g}, expected 0 up to less than --budget {self.budget:g}; mend one"
            )
