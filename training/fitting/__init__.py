"""From a recipe and pictures to a fitted float network."""
