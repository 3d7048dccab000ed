"""Settings of the environment and the active profile: region, endpoint, proxy, CA.

As the SDKs read it (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html), with
`AWS_REGION` before `AWS_DEFAULT_REGION`. The shared file is read only for what is not in the
environment, and never for secrets.
"""

import os
from collections.abc import Mapping

from interlock._protocol.faults import Refused

# A profile with one of these has credentials of a kind that botocore knows how to get.
_SOURCES = frozenset(
    {
        "aws_access_key_id",
        "credential_process",
        "credential_source",
        "login_session",
        "role_arn",
        "source_profile",
        "sso_account_id",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    }
)


class Settings:
    """The settings of one process: its environment, and its profile as far as it is needed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._profile: dict[str, str] | None = None
        self._services: dict[str, dict[str, str]] = {}

    def get(self, variable: str, key: str) -> str | None:
        """Return a setting by its environment variable, or else by its key in the profile."""
        return self.environ.get(variable) or self.profile().get(key) or None

    def flag(self, variable: str, key: str) -> bool:
        """Return whether a setting is switched on."""
        return (self.get(variable, key) or "").strip().lower() == "true"

    def region(self) -> str:
        """Return the region, or raise `Refused` ("NoRegionError")."""
        region = self.environ.get("AWS_REGION") or self.get("AWS_DEFAULT_REGION", "region")
        if not region:
            raise Refused("NoRegionError", "set AWS_REGION, or a region in the AWS profile")
        return region

    def endpoint_url(self, service: str) -> str | None:
        """Return the URL to call instead of the service's own, if one is configured."""
        if self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"):
            return None
        environ = self.environ
        named = environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environ.get(
            "AWS_ENDPOINT_URL"
        )
        if named:
            return named
        profile = self.profile()
        section = self._services.get(profile.get("services", ""), {})
        return section.get(service) or profile.get("endpoint_url") or None

    def profile_name(self) -> str:
        """Return the active profile's name."""
        environ = self.environ
        return environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"

    def profile_has_credentials(self) -> bool:
        """Return whether the active profile says where credentials come from."""
        if self.environ.get("AWS_PROFILE") or self.environ.get("AWS_DEFAULT_PROFILE"):
            return True
        return not _SOURCES.isdisjoint(self.profile())

    def profile(self) -> dict[str, str]:
        """Return the keys of the active profile, of both shared files."""
        if self._profile is None:
            name = self.profile_name()
            config = self._read("AWS_CONFIG_FILE", "config")
            section = name if name == "default" else f"profile {name}"
            found = dict(config.get(section, {}))
            credentials = self._read("AWS_SHARED_CREDENTIALS_FILE", "credentials")
            found.update(credentials.get(name, {}))
            self._services = {
                title.removeprefix("services "): _nested_urls(keys)
                for title, keys in config.items()
                if title.startswith("services ")
            }
            self._profile = found
        return self._profile

    def _read(self, variable: str, name: str) -> dict[str, dict[str, str]]:
        path = self.environ.get(variable) or f"~/.aws/{name}"
        try:
            with open(os.path.expanduser(path), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):  # none, or no home directory
            return {}
        from configparser import Error, RawConfigParser  # noqa: PLC0415 - only where there is one

        parser = RawConfigParser(strict=False, default_section="")
        try:
            parser.read_string(text)
        except Error as error:
            raise Refused("ConfigParseError", f"{path}: {error}") from error
        return {title: dict(parser[title]) for title in parser.sections()}


def _nested_urls(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the `endpoint_url` of each service in a `[services ...]` section."""
    urls = {}
    for service, value in keys.items():
        for line in value.splitlines():
            key, _, text = line.partition("=")
            if key.strip() == "endpoint_url":
                urls[service] = text.strip()
    return urls
