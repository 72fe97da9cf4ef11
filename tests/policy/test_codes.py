"""Every code that a finding can have is documented, and every finding leads to where it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sidecar.policy import schema
from sidecar.policy.codes import CODES, PAGE, anchor, section_of, see, slug
from sidecar.yamldoc import Finding
from tests.policy.written import Folder, codes, policy

ROOT = Path(__file__).parents[2]
ROOMS = ("contract", "expression", "policy", "yamldoc")
LOADER = ("runtime/load.py", "runtime/loading.py", "cli/check_upstream.py")
# What makes a finding, and takes its code first (or as `code=`).
MAKERS = {"Finding", "error", "warning", "report", "_finding", "_refuse", "_fault", "_failed"}
CODE = re.compile(r"[a-z]+(?:[.-][a-z]+)*")


def emitted() -> set[str]:
    """Every code that the sources give to a finding."""
    files = [path for room in ROOMS for path in (ROOT / "sidecar" / room).glob("*.py")]
    files += [ROOT / "sidecar" / name for name in LOADER]
    calls = [node for path in files for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {code for call in calls for code in _codes(call)}


def _codes(call: ast.Call) -> set[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = call.args[:1] or [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    if name not in MAKERS or not given:
        return set()
    texts = [node.value for node in ast.walk(given[0]) if isinstance(node, ast.Constant)]
    return {text for text in texts if isinstance(text, str) and CODE.fullmatch(text)}


def test_every_code_has_its_row_and_the_other_way_round() -> None:
    assert emitted() - set(CODES) == set(), "add a row to sidecar/policy/codes.py"
    assert set(CODES) - emitted() == set(), "nothing emits these any more"


def test_every_row_is_two_sentences_on_the_page() -> None:
    page = (ROOT / PAGE).read_text()
    for code, (means, mend) in CODES.items():
        assert means.endswith("."), code
        assert mend.endswith("."), code
        assert f'<a id="{anchor(code)}"></a>`{code}`' in page, "run `make docs`"


@pytest.mark.parametrize(
    ("path", "section"),
    [
        (("policy",), ""),
        (("owner", "team"), "owner"),
        (("contract", "features", "age", "min"), "contract.features.NAME"),
        (("contract", "features", "age", "owner", "team"), "owner"),
        (("contract", "features", "age", "on_violation", "replace"), "contract.features.NAME.on_violation"),
        (("contract", "rules", 0, "expect"), "contract.rules[]"),
        (("contract", "mode", "callers", "mobile"), "contract.mode"),
        (("model", "columns", "input-0", 2), "model"),
        (("shadow", 0, "compare", "score", "tolerance"), "shadow[].compare.NAME"),
        (("defaults", "contract", "features", "x", "min"), "contract.features.NAME"),
        (("defaults", "owner"), "defaults"),
        (("nothing", "like", "this"), ""),
    ],
)
def test_a_key_leads_to_the_section_that_tells_it(path: tuple[str | int, ...], section: str) -> None:
    assert section_of(path) == section


def test_every_section_that_a_finding_can_name_is_a_heading_of_the_page() -> None:
    page = (ROOT / PAGE).read_text()
    headings = {slug(title.strip("`")) for title in re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)}
    properties = schema()["definitions"]["policy.Policy"]["properties"]
    paths: list[tuple[str | int, ...]] = [(name, "x") for name in properties]
    paths += [("contract", part, "x", "min") for part in ("features", "prediction")]
    paths += [("shadow", 0, "collect", "at_least", "age"), ("upstream", "timeout", "idle"), ("forward", 0, "topic")]
    for path in paths:
        found = section_of(path)
        assert not found or slug(found) in headings, path


def test_every_finding_of_a_bad_policy_leads_somewhere(folder: Folder) -> None:
    loaded = folder.load(policy("credit", "contrct: {}", "capture: {sample: 50}", features="contract: {mode: strict}"))
    assert codes(loaded) == ["value.choice", "key.unknown", "value.type"]
    assert [see(finding) for finding in loaded.findings] == [
        f"{PAGE}#finding-value-choice, #contract",
        f"{PAGE}#finding-key-unknown",
        f"{PAGE}#finding-value-type, #capture",
    ]


def test_a_code_from_elsewhere_leads_to_the_page() -> None:
    assert see(Finding("from.elsewhere", "x")) == PAGE


def test_personal_data_that_capture_hides_is_no_finding(folder: Folder) -> None:
    text = "contract: {features: {email: {type: string}}}"
    assert codes(folder.load(policy(features=text))) == ["personal-data"]
    assert codes(folder.load(policy("credit", "capture: {hide: {email: drop}}", features=text))) == []
