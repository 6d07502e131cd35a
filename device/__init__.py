"""What runs on the box: from the bytes of a picture to a gated reading. Imports nothing from `training`."""

import os
from importlib.metadata import version

# A reading has one thread. NumPy's own would be started by the class map's sums, which take microseconds, and wait for busy
# cores for milliseconds. To be said before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = version("loupe")
