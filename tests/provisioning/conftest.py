"""`provisioning/` is a folder of programs, not a package: put it where tests can import them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "provisioning"))
