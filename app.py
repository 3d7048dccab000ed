"""The reference application: `cdk synth -c env=local|dev|prod`."""

import sys

import aws_cdk as cdk

from stacks.application import Application
from stacks.config import EnvironmentRefused
from stacks.following import synthesize

app = cdk.App()
try:
    environment = Application(app).environment
except EnvironmentRefused as refusal:
    sys.exit(f"\n{refusal}\n")
for note in environment.notes:
    sys.stderr.write(f"Note: {note}\n")
synthesize(app)
if environment.placeholders:
    listed = "".join(f"\n  - {placeholder}" for placeholder in environment.placeholders)
    sys.stderr.write(f"To be looked at, and not to be deployed:{listed}\n")
