"""The service's half of SigV4, from its specification: what it makes of a request it received.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
Shares nothing with the signers, botocore among them.
"""

import hashlib
import hmac
import re

SECRETS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def uri_encode(data, *, keep=b""):
    return "".join(chr(b) if b in UNRESERVED + keep else f"%{b:02X}" for b in data)


def decode(text):
    """Undo percent-encoding, and the form's "+"."""
    return re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda escape: bytes([int(escape[1], 16)]),
        text.encode().replace(b"+", b" "),
    )


def without_dots(path):
    """RFC 3986, 5.2.4, and no empty segments."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment and segment != ".":
            kept.append(segment)
    closed = path.endswith(("/", "/.", "/..")) and kept
    return "/" + "/".join(kept) + ("/" if closed else "")


def accepts(method, target, headers, body=b""):
    """Whether the service takes the request; it says 403 otherwise.

    `target` is the request line's, `headers` are (name, value) lines as they came.
    """
    lines: dict[str, list[str]] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), []).append(re.sub(" +", " ", value.strip()))
    given = {name: ",".join(values) for name, values in lines.items()}
    match = AUTHORIZATION.fullmatch(given.get("authorization", ""))
    if match is None or "x-amz-date" not in given:
        return False
    access, day, region, service, names, signature = match.groups()
    signed = names.split(";")
    must = {"host"} | {name for name in given if name.startswith("x-amz-")}
    if signed != sorted(signed) or not must <= set(signed) or given["x-amz-date"][:8] != day:
        return False
    path, _, query = target.partition("?")
    pairs = sorted(
        (uri_encode(decode(name)), uri_encode(decode(value)))
        for name, _, value in (part.partition("=") for part in query.split("&") if part)
    )
    payload = hashlib.sha256(body).hexdigest()
    canonical = [
        method,
        uri_encode(without_dots(path).encode(), keep=b"/"),
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{given[name]}" for name in signed),
        "",
        names,
        given.get("x-amz-content-sha256", payload),
    ]
    if canonical[-1] not in {payload, "UNSIGNED-PAYLOAD"}:
        return False
    text = [
        "AWS4-HMAC-SHA256",
        given["x-amz-date"],
        f"{day}/{region}/{service}/aws4_request",
        hashlib.sha256("\n".join(canonical).encode()).hexdigest(),
    ]
    key = b"AWS4" + SECRETS[access].encode()
    for part in (day, region, service, "aws4_request", "\n".join(text)):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), signature)
