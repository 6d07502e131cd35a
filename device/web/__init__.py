"""Fourth floor: the web. Who may connect, what is asked, and which process answers.

`server.py` serves `app.py` with gunicorn, behind `door/`, which takes connections and gives the app whole requests.
`guards.py` and `technician.py` say who may ask; `incoming/` reads what a request brings; `views/` answers, one module a
noun, from `box.py`, which is what all requests share; `problems.py` says no, and `answers.py` is the form of all answers.
Pictures are read at `desks/`. `openapi/` describes the API. `samples.py` is the sample pictures. `static/` and `templates/`
are the pages.
"""
