"""The door: all that stands between a socket and the app, so that no client can keep the box from the others.

One thread reads and writes all connections (asyncio, with h11 for the rules of HTTP); the app runs in threads that see
whole requests alone, so none of them ever waits for a client. What a client may take is bounded: the time for its head,
its body and for reading the answer, the bytes of each, the connections of an address and of all, and the memory that all
unread bodies and answers take together. Where something runs short, the address that holds most of it gives back, and a
newcomer is never refused for what others hold.

`listener.py` binds the socket, `acceptor.py` takes new connections; `connection.py` follows one, and `head.py` reads
what it asks; `door.py` has all of them. `room.py` is the memory for what they send, `later.py` work that can be put
off. `lanes.py` gives whole requests to threads, fairly by address (`turns.py`); `wsgi.py` calls the app, `body.py` is
what it reads, `refusal.py` words the door's own answers, `rules.py` has all figures. `worker.py` puts the door into
gunicorn, which keeps the process alive, and `device/base/allocator.py` gives its memory back.
"""
