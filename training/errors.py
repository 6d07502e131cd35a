"""Every way in which training can say no. The message is for the researcher: what is wrong, and what to do."""

from __future__ import annotations


class TrainingError(Exception):
    """Base of all named errors of `loupe-train`. Never raised itself."""


class WeightsError(TrainingError):
    """The pretrained weights can't be read."""


class DataError(TrainingError):
    """A data set isn't where or what it should be."""


class PicturesUnreadable(TrainingError):
    """Picture files of a data set can't be opened or decoded."""


class SplitError(TrainingError):
    """A split leaves a part empty, or puts one group on two sides."""


class RecipeError(TrainingError):
    """A recipe is missing, or has a setting that is unknown or out of range."""


class RunError(TrainingError):
    """A run's folder lacks what a later step needs."""


class OwnerUnknown(TrainingError):
    """Nobody's name is known that a signing key could bear."""


class SigningKeyUnusable(TrainingError):
    """A signing key's file can't be read or written, or isn't of a key that signs bundles."""


class PublicKeyTaken(TrainingError):
    """A public key's file holds another key than the one that signs."""


class BundleTaken(TrainingError):
    """A bundle's file is there already, signed by somebody else."""


class QuantizationError(TrainingError):
    """The converted network isn't what the box runs."""


class NetworkError(TrainingError):
    """A network is unknown, or can't be built as asked."""


class QuantizationBudgetExceeded(TrainingError):
    """The integer network loses more against the float one than the recipe allows."""


class TableError(TrainingError):
    """A readings table isn't one, is of other classes, or has nothing to measure."""


class ClusterError(TrainingError):
    """A scheduler doesn't answer, has no worker, or its workers have other software."""


class TaskFailed(TrainingError):
    """Some of the tasks that were run together failed."""


class Interrupted(TrainingError):
    """A person stopped the command."""


class ScoreError(TrainingError):
    """Scoring can't go on in the place where it was asked to."""


class CrossvalError(TrainingError):
    """A fold's folder holds something else than what is to be cross-validated."""


class TrialError(TrainingError):
    """What to try isn't a setting and its values."""


class ReportError(TrainingError):
    """An evaluation's report, or the history of a fit that belongs in it, is missing or isn't one."""


class LeakError(TrainingError):
    """Two sides of a split share a group or a picture, so that its figures would flatter."""


class DissectError(TrainingError):
    """Units can't be measured on these pictures with this bundle."""


class ExplainError(TrainingError):
    """There is nothing that explanations could be measured on, or not in the way that was asked for."""
