"""From a float network to the integer network and head that the box runs, and what that loses."""
