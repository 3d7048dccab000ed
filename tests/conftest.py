"""What every test finds: the Node.js of this Python environment, which CDK's library runs."""

import os
import sys
from pathlib import Path

from hypothesis import settings

# Before aws_cdk is imported, which starts it; the machine's own Node may be too old, or none.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# How long an example takes says more of a busy machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
