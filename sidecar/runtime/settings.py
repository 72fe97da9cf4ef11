"""Every setting of `serve`: one table, read from flags, `SIDECAR_<NAME>` and defaults into one frozen value.

Precedence: flag, environment variable, sidecar.yaml (only `upstream` and `environment` are also there), default.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from ..errors import RuntimeSetupError
from .listen import ListenAddress, parse_listen
from .secret import token_in

ENV_PREFIX: Final = "SIDECAR_"
MOST_WORKERS: Final = 256
ADMIN: Final = "127.0.0.1:8602"
_UNITS: Final = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0))


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What `serve` was asked to do. An address of None means: do not listen there; a text of "" means: not given."""

    policy: tuple[str, ...]
    config: str
    upstream: str
    listen: ListenAddress
    health: ListenAddress | None
    admin: ListenAddress | None
    data: str
    environment: str
    workers: int
    observers: str
    access_log: str
    unmatched: str
    journal: str
    secret_file: str
    admin_token_file: str
    feedback_token_file: str
    tls_cert: str
    tls_key: str
    pre_stop: float  # seconds
    drain_timeout: float  # seconds


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `parse` raises ValueError with a sentence; `repeat` collects a tuple."""

    name: str
    default: str
    parse: Callable[[str], Any]
    metavar: str
    doc: str
    repeat: bool = False

    @property
    def flag(self) -> str:
        """As typed on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """As set in the environment."""
        return ENV_PREFIX + self.name.upper()


def _text(text: str) -> str:
    return text


def _existing(text: str) -> str:
    if not os.path.exists(text):  # noqa: PTH110 - stays text: it is shown and passed on as given
        raise ValueError("no such file or folder")
    return text


def _file(text: str) -> str:
    if not os.path.isfile(_existing(text)):  # noqa: PTH113
        raise ValueError("is a folder; a file is needed")
    if not os.access(text, os.R_OK):
        raise ValueError("cannot be read by this user")
    return text


def _token(text: str) -> str:
    token_in(_file(text))
    return text


def _address(text: str) -> ListenAddress | None:
    return None if text == "off" else parse_listen(text)


def _access_log(text: str) -> str:
    if text in ("off", "stderr"):
        return text
    if os.path.isdir(text):  # noqa: PTH112
        raise ValueError("is a folder; a file, stderr or off is needed")
    if not os.path.isdir(os.path.dirname(text) or "."):  # noqa: PTH112, PTH120
        raise ValueError("its folder does not exist")
    return text


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise ValueError(f"not a number from 1 to {MOST_WORKERS}")
    return int(text)


def _choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"not one of: {', '.join(words)}")
        return text

    return parse


def parse_seconds(text: str) -> float:
    """`500ms`, `20s`, `2m`, `1h` or plain seconds; ValueError otherwise."""
    for unit, factor in _UNITS:
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdecimal():
            return float(number) * factor
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    raise ValueError("not a duration; write 500ms, 20s or 2m")


SETTINGS: Final = (
    Setting(
        "policy", "", _existing, "FILE|DIR", "a policy, or a folder of them (repeatable; none: observe only)", True
    ),
    Setting("config", "", _file, "FILE", "the platform owner's file, sidecar.yaml"),
    Setting("upstream", "", _text, "URL", "the model server: http://…, https://… or unix:/path"),
    Setting("listen", "0.0.0.0:8600", parse_listen, "ADDR", "the data port"),
    Setting("health", "0.0.0.0:8601", _address, "ADDR|off", "/healthz, /readyz and /metrics"),
    Setting(
        "admin", "", _address, "ADDR|off", f"the page and /api/* (default: {ADMIN} with the observers on, else off)"
    ),
    Setting("data", "sidecar-data", _text, "DIR", "journal, policies in force, key, lock"),
    Setting("environment", "", _text, "NAME", "where this runs, compared with what the files and the cluster say"),
    Setting("workers", "1", _workers, "N", "serving processes"),
    Setting("observers", "on", _choice("on", "off"), "on|off", "read the journal in a process beside the workers"),
    Setting(
        "access_log",
        "off",
        _access_log,
        "off|stderr|FILE",
        "one JSON line per request, written by the observers' process",
    ),
    Setting("unmatched", "auto", _choice("auto", "pass", "block"), "pass|block", "inference that no policy judges"),
    Setting(
        "journal", "", _text, "DIR", "the journal's own folder, for example a memory volume (default: DATA/journal)"
    ),
    Setting("secret_file", "", _file, "FILE", "the key shared by all replicas (default: DATA/secret, made once)"),
    Setting("admin_token_file", "", _token, "FILE", "token for the admin address; needed off loopback"),
    Setting("feedback_token_file", "", _token, "FILE", "token for POST /_sidecar/feedback"),
    Setting("tls_cert", "", _file, "FILE", "serve TLS: certificate chain (PEM)"),
    Setting("tls_key", "", _file, "FILE", "serve TLS: private key (PEM)"),
    Setting("pre_stop", "3s", parse_seconds, "TIME", "on SIGTERM: unready but still accepting for this long"),
    Setting("drain_timeout", "20s", parse_seconds, "TIME", "then: how long requests in flight may take to finish"),
)


def resolve(flags: Mapping[str, Sequence[str] | str | None], environ: Mapping[str, str]) -> ServeSettings:
    """Flags (by name; None = not given) over environment over defaults; RuntimeSetupError lists every problem."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        given, source = _raw(setting, flags, environ)
        try:
            parsed = [setting.parse(text) for text in given]
        except ValueError as error:
            problems.append(f"{source} {' '.join(given)}: {error}")
            continue
        values[setting.name] = tuple(parsed) if setting.repeat else (parsed[0] if parsed else "")
    if values.get("admin") == "":
        values["admin"] = parse_listen(ADMIN) if values.get("observers") == "on" else None
    problems += _half_set(values)
    if problems:
        raise RuntimeSetupError("\n".join(problems))
    return ServeSettings(**{field.name: values[field.name] for field in fields(ServeSettings)})


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like one of ours and is not.

    A Kubernetes service named `sidecar` puts SIDECAR_PORT, SIDECAR_SERVICE_HOST and the like in every pod: not ours.
    """
    known = [setting.variable for setting in SETTINGS]
    sentences = []
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name in known or "_PORT" in name or "_SERVICE_" in name:
            continue
        close = difflib.get_close_matches(name, known, 1, 0.8)
        if close:
            sentences.append(f"the environment variable {name} is not read; did you mean {close[0]}?")
    return sentences


def _raw(
    setting: Setting, flags: Mapping[str, Sequence[str] | str | None], environ: Mapping[str, str]
) -> tuple[list[str], str]:
    flag = flags.get(setting.name)
    if flag is not None:
        return ([flag] if isinstance(flag, str) else list(flag)), setting.flag
    variable = environ.get(setting.variable, "")
    if variable:  # an empty variable is an unset one: charts render unset values so
        return (variable.split(os.pathsep) if setting.repeat else [variable]), setting.variable
    return ([setting.default] if setting.default else []), f"{setting.flag} (default)"


def _half_set(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if bool(values.get("tls_cert")) != bool(values.get("tls_key")):
        have, lack = ("--tls-cert", "--tls-key") if values.get("tls_cert") else ("--tls-key", "--tls-cert")
        problems.append(f"{have} without {lack}: TLS needs both; give {lack} or leave both out")
    admin = values.get("admin")
    token_file = values.get("admin_token_file", "one that cannot be used, which is told by itself")
    if isinstance(admin, ListenAddress) and not admin.loopback and not token_file:
        problems.append(
            f"--admin {admin} without --admin-token-file: off loopback a token is needed; give one, or 127.0.0.1"
        )
    access_log = values.get("access_log", "off")
    if access_log != "off" and values.get("observers") == "off":
        problems.append(
            f"--access-log {access_log} with --observers off: nobody here writes it; give it to `sidecar observe`"
        )
    ports = [
        (flag, str(values[flag]))
        for flag in ("listen", "health", "admin")
        if isinstance(values.get(flag), ListenAddress) and (values[flag].port or values[flag].path)
    ]
    for index, (flag, address) in enumerate(ports):
        for other, same in ports[:index]:
            if same == address:
                problems.append(f"--{flag} {address}: the same address as --{other}; give each its own port")
    return problems
