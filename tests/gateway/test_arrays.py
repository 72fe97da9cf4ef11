"""The first long body makes a worker load numpy: in a thread, while the loop goes on answering."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHILD = """
import asyncio, json, sys, threading
from pathlib import Path
from sidecar.wire import arrays
from tests.kit.client import eventually, request
from tests.kit.guards import guard, policy
from tests.kit.running import running
from tests.kit.upstream import answer, replies

imports = []

class Watching:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            imports.append(threading.current_thread().name)

sys.meta_path.insert(0, Watching())
CONTRACT = "mode: enforce\\nfeatures:\\n  age: {type: int, min: 0}"
BODY = json.dumps({"instances": [{"age": 30}] * 20_000}).encode()

async def main(folder):
    judge = guard(folder, policy(CONTRACT, model="protocol: tfserving, name: credit"))
    ok = replies(answer(json.dumps({"predictions": [0.5] * 20_000}).encode()))
    async with running(folder, default=ok, guards=[judge]) as world:
        short = await world.ask(request("/v1/models/credit:predict", b'{"instances": [{"age": 30}]}'))
        before = list(imports)
        first = await world.ask(request("/v1/models/credit:predict", BODY))
        await eventually(lambda: arrays.numpy is not None)
        second = await world.ask(request("/v1/models/credit:predict", BODY))
        twice = await world.ask(request("/v1/models/credit:predict", BODY.replace(b'30}]', b'30, "age": 3}]')))
        statuses = [answer.status for answer in (short, first, second, twice)]
    print(json.dumps([statuses, before, [name == threading.main_thread().name for name in imports]]))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_numpy_comes_in_a_thread_with_the_first_long_body(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert child.returncode == 0, child.stderr
    statuses, before, on_the_loop = json.loads(child.stdout)
    assert statuses == [200, 200, 200, 400]
    assert (before, on_the_loop) == ([], [False])
