"""What is replaced in the emulator is still there, in the version that is pinned, and works."""

import json
import subprocess
import sys

from local import ROOT
from local.emulator import server_environment
from local.provider import BALANCER_KEY_ID

# In a process of its own: the emulator's modules log, listen to signals and keep state.
TRIAL = """
import json, sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from local import balancer
from ministack.services import alb
from ministack.services.cloudformation import provisioners
key = ec.generate_private_key(ec.SECP256R1())
path = Path(sys.argv[1])
path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
plain = alb._oidc_session_cookies("c", {"claims": {"sub": "a"}}, 9, False)
balancer.publishable_key(path)
balancer.sealed_sessions()
balancer.configured_actions()

def jar(cookies):
    return dict(each.partition(";")[0].split("=", 1) for each in cookies)

sealed = alb._oidc_session_cookies("c", {"claims": {"sub": "a"}}, 9, False)
signing, key_id = alb._oidc_signing_material()
sign_in = {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {"Issuer": "i"}}
props = {"DefaultActions": [sign_in, {"Type": "forward", "TargetGroupArn": "t"}]}
print(json.dumps({
    "key": signing.private_numbers().private_value == key.private_numbers().private_value,
    "key_id": key_id,
    "own": alb._oidc_read_session(jar(sealed), "c"),
    "written by another": alb._oidc_read_session(jar(plain), "c"),
    "none": alb._oidc_read_session({}, "c"),
    "actions": provisioners._elbv2_listener_actions(props, None),
}))
"""


def test_the_load_balancer_signs_seals_and_is_configured(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRIAL, tmp_path / "key.pem"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=server_environment(0, tmp_path),
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["key"] is True
    assert told["key_id"] == BALANCER_KEY_ID
    assert told["own"] == {"claims": {"sub": "a"}}
    assert told["written by another"] is None
    assert told["none"] is None
    assert told["actions"] == [
        {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"Issuer": "i"}},
        {"Type": "forward", "Order": 2, "TargetGroupArn": "t"},
    ]
