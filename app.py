"""The reference application: `cdk synth -c env=local|dev|prod`."""

import sys

import aws_cdk as cdk

from stacks.application import Application
from stacks.config import EnvironmentRefused

app = cdk.App()
try:
    Application(app)
except EnvironmentRefused as refusal:
    sys.exit(f"\n{refusal}\n")
app.synth()
