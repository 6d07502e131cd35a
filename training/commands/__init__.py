"""The commands of `loupe-train`: a module each, named like the command, with the command as its `command`.

A command's module is imported when the command is asked for, and what is heavy (TensorFlow, above all) by the command's own
body: so help and completion answer at once. `group.py` lists them.
"""
