"""The budget of quantization: what the integer network may lose against the float one before packing refuses.

Both networks read the same pictures, those of the training and the calibration part. The test part isn't asked: a budget
that a network is changed to meet would be fitted on it.

How small a loss can be seen depends on the number of pictures, so one picture is always forgiven: with 200, one that
is read differently is already 0.5 %. What is compared are counts, not estimates with intervals: both networks see the
same pictures, so that what differs is rounding and not chance in drawing them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from training.errors import QuantizationBudgetExceeded
from training.recipe import QuantizationBudget

ROUNDING = 1e-9


@dataclass(frozen=True)
class BudgetCheck:
    """Figures over `n` pictures; `differing` are read as another class. `allowed_loss` and `allowed_differing` are the
    recipe's budget, or one picture where that is more."""

    n: int
    differing: int
    allowed_differing: int
    float_balanced_accuracy: float
    int8_balanced_accuracy: float
    allowed_loss: float

    @property
    def agreement(self) -> float:
        return 1 - self.differing / self.n

    @property
    def loss(self) -> float:
        """Balanced accuracy of the float network less that of the integer one; below 0 when the latter is better."""
        return self.float_balanced_accuracy - self.int8_balanced_accuracy


def check_budget(
    int8_logits: NDArray[np.float64],
    float_logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    budget: QuantizationBudget,
) -> BudgetCheck:
    """Compare logits [n, classes] of both networks for the same pictures.

    Raises `QuantizationBudgetExceeded` with the figures and the way out.
    """
    int8_classes, float_classes = int8_logits.argmax(1), float_logits.argmax(1)
    one_picture = 1 / (len(np.unique(labels)) * np.unique(labels, return_counts=True)[1].min())
    check = BudgetCheck(
        n=len(labels),
        differing=int((int8_classes != float_classes).sum()),
        allowed_differing=max(1, floor((1 - budget.min_agreement) * len(labels) + ROUNDING)),
        float_balanced_accuracy=float(balanced_accuracy_score(labels, float_classes)),
        int8_balanced_accuracy=float(balanced_accuracy_score(labels, int8_classes)),
        allowed_loss=max(one_picture, budget.max_accuracy_loss) + ROUNDING,
    )
    if check.differing > check.allowed_differing or check.loss > check.allowed_loss:
        raise QuantizationBudgetExceeded(
            f"the integer network reads {check.differing} of {check.n} pictures as another class than the float one "
            f"({check.agreement:.2%} agree, {check.allowed_differing} may differ); balanced accuracy "
            f"{check.int8_balanced_accuracy:.2%} against {check.float_balanced_accuracy:.2%} "
            f"({check.allowed_loss:.2%} may be lost). Set quantization.rescue_epochs to 3 for quantization-aware "
            "fine-tuning, look for the worst layers with `loupe-train quantization-report`, or widen the budget in "
            "[quantization]"
        )
    return check
