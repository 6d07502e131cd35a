"""Fitting the gate, bounding how often it refuses, and how it does on real pictures."""
