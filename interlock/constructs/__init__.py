"""CDK constructs for what Interlock needs in an account; wants `interlock[cdk]`, not boto3."""

from interlock.constructs.signing import CodeSigning, MacKey, SigningKey

__all__ = ["CodeSigning", "MacKey", "SigningKey"]
