"""The reference application: `cdk synth -c env=local|dev|prod`."""

import aws_cdk as cdk

from stacks.application import Application

app = cdk.App()
Application(app)
app.synth()
