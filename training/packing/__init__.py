"""From a run to a signed bundle."""
