"""Second floor: what outlives a request. Names of units, counts of drift and which bundles this box has served."""
