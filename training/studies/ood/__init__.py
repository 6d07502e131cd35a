"""The benchmark of the gate: which detector best separates pictures that a network must not judge from proper ones.

In the spirit of Cao et al. (2020), OpenOOD (Zhang et al. 2023) and OpenMIBOOD (Gutbrod et al. 2025), on the outputs of the
integer network, as the box runs it:

- `cases`, `sets`: the foreign pictures, each set with its case and its side (validation or test), fixed before any was
  measured;
- `corruptions`: wrong acquisition, made from proper pictures by code;
- `collect`: every picture is read once by the box's own code; the numbers that detectors need stay in a folder;
- `detectors`: `fit(rows, labels) → scorer`, on a row a picture or a row a cell;
- `autoencoder`, `perturbation`: the two that need pixels;
- `score`, `figures`: scores of every candidate, then AUROC, AUPR and the rest with intervals;
- `report`: one HTML page, JSON and a Markdown table.
"""
