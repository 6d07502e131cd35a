"""Every way in which training can say no. The message is for the researcher: what is wrong, and what to do."""

from __future__ import annotations


class TrainingError(Exception):
    """Base of all named errors of `loupe-train`. Never raised itself."""


class WeightsError(TrainingError):
    """The pretrained weights can't be read."""


class DataError(TrainingError):
    """A data set isn't where or what it should be."""


class SplitError(TrainingError):
    """A split leaves a part empty, or puts one group on two sides."""


class RecipeError(TrainingError):
    """A recipe is missing, or has a setting that is unknown or out of range."""


class RunError(TrainingError):
    """A run's folder lacks what a later step needs."""


class QuantizationError(TrainingError):
    """The converted network isn't what the box runs."""
