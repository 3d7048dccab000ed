"""What every test finds: the Node.js of this Python environment, which CDK's library runs."""

import os
import sys
from pathlib import Path

# Before aws_cdk is imported, which starts it; the machine's own Node may be too old, or none.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
