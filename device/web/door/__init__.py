"""The door: all that stands between a socket and the app. It keeps any client from shutting out the others.

One thread reads and writes all connections (asyncio, with h11 for the rules of HTTP). The app runs in threads that see
only whole requests, so none of them ever waits for a client. Everything that a client may take is bounded: the time for
its head, its body and for reading the answer; the bytes of each; the connections of an address and of all; and the
memory that all unread bodies and answers take together. Where something runs short, the address that holds most of it
gives some back. A newcomer is never refused for what others hold.

`listener.py` binds the socket, and `acceptor.py` takes new connections. `connection.py` follows one connection:
`conversation.py` parses its requests and writes the answers, `head.py` checks a request's head, and `pace.py` measures
the client. `door.py` holds all connections. `room.py` is the memory for bodies and answers, `later.py` is work that can
be put off. `lanes.py` gives whole requests to threads, fairly by address (`turns.py`).
`wsgi.py` calls the app, `body.py` is what the app reads, `refusal.py` words the door's own answers, and `rules.py`
holds all limits. `worker.py` puts the door into gunicorn, which keeps the process alive, and `device/base/allocator.py`
gives its memory back to the system.
"""
