"""The benchmark of the gate: which detector tells pictures that a network must not judge from those that it may.

In the spirit of Cao et al. (2020), OpenOOD (Zhang et al. 2023) and OpenMIBOOD (Gutbrod et al. 2025), on the outputs of the
integer network, as the box runs it:

- `sets`: the foreign pictures, each set with its case and its side (validation or test), fixed before any was measured;
- `corruptions`: wrong acquisition, made from proper pictures by code;
- `collect`: every picture read once by the box's own code, what detectors need of it kept in the run's folder;
- `detectors`: `fit(rows, labels) → scorer`, on a row a picture or a row a cell;
- `autoencoder`, `perturbation`: the two that need pixels;
- `score`, `figures`: scores of every candidate, then AUROC, AUPR and the rest with intervals;
- `report`: one HTML page, JSON and a Markdown table.
"""
