"""Commands of studies: they look into how well a model works, and change none."""
