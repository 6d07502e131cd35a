"""Decoding of pictures that anyone may have made: within a budget of memory, a deadline, and mostly in another process.

A common JPEG or PNG, whose header and structure bound what it costs (`device/reading/formats/cost.py`), is decoded in
the process
that reads it. Every other file goes to a child that lives for this one file (`child.py`), confined so that a decoder that
is overrun can compute and nothing else (`confine.py`), and killed when it takes too long or its client leaves
(`sandbox.py`).
The children are forks of a small server (`fork_server.py`), because a process with threads must not fork itself.
What all of them may take is `budget.py`'s; how a format asks for it is `memory.py`'s.
"""
