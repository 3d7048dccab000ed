"""Run the whole application on this machine: emulators, deployment, service instances.

Nothing here is part of the wheel. `python -m local demo` is the entry point.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
"""Everything that running locally writes: downloads, logs, records of running processes."""
