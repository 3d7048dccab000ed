"""CDK constructs for what Interlock needs in an account; wants `interlock[cdk]`, not boto3."""

from interlock.constructs.coordination_table import CoordinationTable
from interlock.constructs.runtime_layer import RuntimeLayer
from interlock.constructs.signing import CodeSigning, MacKey, SigningKey

__all__ = ["CodeSigning", "CoordinationTable", "MacKey", "RuntimeLayer", "SigningKey"]
