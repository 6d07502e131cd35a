"""The API's description in OpenAPI 3.1, made of what the program itself goes by.

`operations.py` is what stands beside each view; `problems.py` describes the answers that say no, from the named errors;
`document.py` puts routes, operations and records together.
"""
