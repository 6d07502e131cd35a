"""What runs on the box: from the bytes of a picture to a gated reading. Imports nothing from `training`."""

from importlib.metadata import version

__version__ = version("loupe")
