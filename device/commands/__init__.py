"""The commands of `loupe`, one module each. They load numpy and the network's runtime only when they run, so that help and
completion come at once."""
