"""Decoding of pictures from strangers: within a budget of memory, within a deadline, and mostly in another process.

A common JPEG or PNG, whose header and structure bound its cost (`device/reading/formats/cost.py`), is decoded in the
process that reads it. Every other file goes to a child process that exists for this one file (`child.py`). The child is
confined, so that a decoder that a file takes over can compute and nothing else (`confine.py`). It is killed when it
takes too long or its client leaves (`sandbox.py`). The children are forks of a small server (`fork_server.py`), because
a process with threads must not fork itself. `budget.py` holds the memory that all of them may take, and `memory.py` is
how a format asks for it.
"""
