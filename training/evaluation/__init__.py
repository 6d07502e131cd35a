"""From pictures with known classes to figures that can be believed.

`table` reads pictures as the box reads uploads and keeps one row a picture; `metrics` makes every figure out of such a
table alone, with intervals over patients (`resampling`) and probabilities from `calibrate`; `measure` says what is
measured; `report`, `card` and `results` show it; `sections` reads whole sections.
docs/researchers/evaluation.md defines each figure.
"""
