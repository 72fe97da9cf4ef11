"""Flag over variable over default; half-set values are refused; every problem is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.runtime.listen import ListenAddress
from sidecar.runtime.settings import SETTINGS, misspelt, parse_seconds, resolve

# name, flag, variable, default; each resolves to what `parse` makes of the text in force
SCALARS = [
    ("upstream", "http://flag:1", "http://variable:1", ""),
    ("listen", "127.0.0.1:1", "127.0.0.1:2", "0.0.0.0:8600"),
    ("health", "127.0.0.1:3", "127.0.0.1:4", "0.0.0.0:8601"),
    ("data", "by-flag", "by-variable", "sidecar-data"),
    ("environment", "staging", "production", ""),
    ("workers", "3", "2", "1"),
    ("unmatched", "block", "pass", "auto"),
    ("journal", "a", "b", ""),
    ("pre_stop", "1s", "2s", "3s"),
    ("drain_timeout", "1m", "500ms", "20s"),
]


@pytest.mark.parametrize(("name", "flag", "variable", "default"), SCALARS)
def test_flag_over_variable_over_default(name: str, flag: str, variable: str, default: str) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    environ = {setting.variable: variable}

    def parsed(text: str) -> object:
        return setting.parse(text) if text else ""

    assert getattr(resolve({name: flag}, environ), name) == parsed(flag)
    assert getattr(resolve({name: None}, environ), name) == parsed(variable)
    assert getattr(resolve({}, {}), name) == parsed(default)
    assert getattr(resolve({}, {setting.variable: ""}), name) == parsed(default)


def test_every_flag_has_a_variable() -> None:
    for setting in SETTINGS:
        assert setting.variable == "SIDECAR_" + setting.flag.removeprefix("--").replace("-", "_").upper()


def test_policies_are_collected(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.touch()
    two.touch()
    assert resolve({"policy": [str(one), str(two)]}, {}).policy == (str(one), str(two))
    assert resolve({}, {"SIDECAR_POLICY": f"{one}:{two}"}).policy == (str(one), str(two))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"workers": "0"}, "--workers 0: not a number from 1 to 256"),
        ({"workers": "two"}, "--workers two"),
        ({"listen": "8600"}, "--listen 8600: no port"),
        ({"policy": ["/no/such"]}, "--policy /no/such: no such file or folder"),
        ({"unmatched": "maybe"}, "--unmatched maybe: not one of: auto, pass, block"),
        ({"drain_timeout": "soon"}, "--drain-timeout soon: not a duration"),
        ({"tls_cert": __file__}, "--tls-cert without --tls-key"),
        ({"tls_key": __file__}, "--tls-key without --tls-cert"),
        ({"admin": "0.0.0.0:8602"}, "--admin 0.0.0.0:8602 without --admin-token-file"),
        ({"listen": "127.0.0.1:1", "health": "127.0.0.1:1"}, "the same address as --listen"),
    ],
)
def test_what_cannot_be_is_refused(flags: dict[str, str], said: str) -> None:
    with pytest.raises(RuntimeSetupError) as refused:
        resolve(flags, {})
    assert said in str(refused.value)


def test_the_variable_is_named_when_it_is_wrong() -> None:
    with pytest.raises(RuntimeSetupError, match="SIDECAR_WORKERS many"):
        resolve({}, {"SIDECAR_WORKERS": "many"})


def test_all_problems_at_once() -> None:
    with pytest.raises(RuntimeSetupError) as refused:
        resolve({"workers": "0", "listen": "x", "tls_cert": __file__}, {})
    assert len(str(refused.value).splitlines()) == 3


def test_off_is_no_address() -> None:
    assert resolve({"health": "off"}, {}).health is None
    assert resolve({"admin": "127.0.0.1:8602"}, {}).admin == ListenAddress("127.0.0.1", 8602)


def test_the_admin_address_comes_with_the_observers() -> None:
    assert resolve({}, {}).admin == ListenAddress("127.0.0.1", 8602)
    assert resolve({"admin": "off"}, {}).admin is None
    assert resolve({"observers": "off"}, {}).admin is None, "in a pod of two containers `observe` listens there"


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("20s", 20), ("2m", 120), ("1.5h", 5400), ("3", 3)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1 s", "nan", "1e3", "inf"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_seconds(text)


def test_misspelt_variables_are_told_and_a_clusters_own_are_not() -> None:
    environ = {
        "SIDECAR_UPSTEAM": "x",
        "SIDECAR_DATA": "x",
        "SIDECAR_PORT": "tcp://10.0.0.1:8600",
        "SIDECAR_PORT_8600_TCP": "x",
        "SIDECAR_SERVICE_HOST": "x",
        "SIDECAR_SOMETHING_ELSE": "x",
    }
    assert misspelt(environ) == ["the environment variable SIDECAR_UPSTEAM is not read; did you mean SIDECAR_UPSTREAM?"]


def test_a_token_file_without_a_token_is_one_problem_and_not_two(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(RuntimeSetupError) as refused:
        resolve({"admin": "0.0.0.0:8602", "admin_token_file": str(tmp_path / "token")}, {})
    assert "holds no token" in str(refused.value)
    assert "without --admin-token-file" not in str(refused.value)


def test_access_lines_go_to_stderr_or_to_a_file_in_a_folder_that_is_there(tmp_path: Path) -> None:
    for right in ("off", "stderr", str(tmp_path / "access.log"), "access.log"):
        assert resolve({"access_log": right}, {}).access_log == right
    for wrong in (str(tmp_path), str(tmp_path / "nowhere" / "access.log")):
        with pytest.raises(RuntimeSetupError, match="--access-log"):
            resolve({"access_log": wrong}, {})


def test_access_lines_without_observers_are_told_where_they_belong() -> None:
    with pytest.raises(RuntimeSetupError, match="sidecar observe"):
        resolve({"access_log": "stderr", "observers": "off"}, {})
