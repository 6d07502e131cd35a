"""Where pictures wait for their turn, and the process in which they are read."""
