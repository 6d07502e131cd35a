"""Fitting the gate, what it may promise, and how it does on real pictures."""
