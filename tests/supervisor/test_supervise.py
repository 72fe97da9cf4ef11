"""The supervisor with real processes and sockets; worker and loader are stand-ins."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest

from tests.supervisor.serving import Model, Serving, alive, eventually, free_port, refuses


@pytest.fixture(scope="module")
def model() -> object:
    with Model() as running:
        yield running


def policy(path: Path, **facts: object) -> Path:
    path.write_text(json.dumps({"name": "credit", "protocol": "oip", "model_name": "credit", **facts}))
    return path


class TestStartAndStop:
    def test_serves_says_so_and_stops_in_order(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url, "--workers", "2") as sidecar:
            sidecar.until_ready()
            pids = sidecar.pids(2)
            assert "OBSERVING ONLY" in sidecar.said()
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0
            assert not any(alive(pid) for pid in pids)
            assert not (sidecar.data / "running.json").exists()

    def test_secret_is_made_once_and_private(self, tmp_path: Path, model: Model) -> None:
        keys = []
        for _ in range(2):
            with Serving(tmp_path, "--upstream", model.url) as sidecar:
                sidecar.running()
                keys.append((sidecar.data / "secret").read_bytes())
                assert (sidecar.data / "secret").stat().st_mode & 0o777 == 0o600
                sidecar.tell(signal.SIGTERM)
                sidecar.ended()
        assert keys[0] == keys[1]

    def test_used_port_is_said_with_flag_and_remedy(self, tmp_path: Path, model: Model) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with Serving(tmp_path, "--upstream", model.url, "--listen", f"127.0.0.1:{port}") as sidecar:
                assert sidecar.ended() == 2
                assert f"--listen 127.0.0.1:{port}: the address is in use" in sidecar.said()

    def test_bad_policy_at_the_start_is_shown_with_its_place(self, tmp_path: Path, model: Model) -> None:
        bad = tmp_path / "bad.json"
        bad.write_text('{"name": "credit",\n  oops}')
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(bad)) as sidecar:
            assert sidecar.ended() == 2
            assert f"{bad}:2:3: error:" in sidecar.said()

    @pytest.mark.parametrize(("platform", "said"), [("fail", "told to fail"), ("crash", "exit code 7 before it was")])
    def test_worker_that_cannot_start_ends_the_start(
        self, tmp_path: Path, model: Model, platform: str, said: str
    ) -> None:
        config = tmp_path / "sidecar.json"
        config.write_text(json.dumps({"platform": {platform: True}}))
        with Serving(tmp_path, "--upstream", model.url, "--config", str(config)) as sidecar:
            assert sidecar.ended() == 2
            assert said in sidecar.said()

    def test_second_instance_is_refused_and_names_the_first(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path / "one", "--upstream", model.url) as first:
            pid = first.running()["pid"]
            with Serving(tmp_path / "two", "--upstream", model.url, "--data", str(first.data)) as second:
                assert second.ended() == 2
                assert f"in use by process {pid}" in second.said()
            assert first.get()["pid"]

    def test_unix_socket_is_served_and_removed(self, tmp_path: Path, model: Model) -> None:
        path = tmp_path / "data.sock"
        with Serving(tmp_path, "--upstream", model.url, "--listen", f"unix:{path}") as sidecar:
            sidecar.running()
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=60) as client:
                assert client.get("http://localhost/").status_code == 200
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0
        assert not path.exists()

    def test_signal_while_it_starts_is_an_orderly_end(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url) as sidecar:
            eventually((sidecar.data / "secret").exists)
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0
            assert "Traceback" not in sidecar.said()

    def test_admin_port_reloads_for_this_machine_alone(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url, "--admin", "127.0.0.1:0") as sidecar:
            sidecar.until_ready()
            admin = f"http://{sidecar.running()['admin']}"
            assert httpx.get(f"{admin}/api/status", timeout=60).json()["ready"]
            assert httpx.post(f"{admin}/api/reload", headers={"host": "rebound.example"}, timeout=60).status_code == 421
            assert httpx.post(f"{admin}/api/reload", timeout=60).status_code == 202
            eventually(lambda: sidecar.metric('sidecar_policy_reloads_total{result="unchanged"}') == 1)
            assert httpx.post(f"{sidecar.health}/api/reload", timeout=60).status_code == 404


class TestDeath:
    def test_killed_worker_is_started_again_and_counted(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url) as sidecar:
            first = sidecar.get()["pid"]
            os.kill(first, signal.SIGKILL)
            second = eventually(lambda: sidecar.get()["pid"])
            assert second != first
            eventually(lambda: sidecar.metric("sidecar_worker_restarts_total") == 1)
            assert sidecar.events("worker.died")[0]["exit_code"] == -9

    def test_killed_supervisor_takes_its_workers_along_and_frees_the_lock(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url, "--workers", "2") as sidecar:
            pids = sidecar.pids(2)
            sidecar.tell(signal.SIGKILL)
            sidecar.ended()
            with Serving(tmp_path, "--upstream", model.url) as heir:
                assert heir.get()["pid"] not in pids
                eventually(lambda: not any(alive(pid) for pid in pids))


class TestDrain:
    def test_in_flight_finishes_still_accepting_then_refusing(self, tmp_path: Path, model: Model) -> None:
        go = tmp_path / "go"
        with Serving(tmp_path, "--upstream", model.url, "--pre-stop", "10s", "--drain-timeout", "60s") as sidecar:
            sidecar.until_ready()
            url, health = sidecar.url, sidecar.health
            answers: list[httpx.Response] = []
            threads = [
                threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/until?{go}", timeout=60)))
                for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            eventually(
                lambda: sidecar.metric("sidecar_ready") == 1 and sidecar.readyz()[1]["workers"]["in_flight"] == 20
            )
            sidecar.tell(signal.SIGTERM)
            eventually(lambda: httpx.get(f"{health}/readyz", timeout=60).status_code == 503)
            assert "draining" in httpx.get(f"{health}/readyz", timeout=60).text
            during = httpx.get(url, timeout=60)
            assert (during.status_code, during.headers["connection"]) == (200, "close")
            assert httpx.get(f"{health}/healthz", timeout=60).status_code == 200
            eventually(lambda: refuses(int(url.rpartition(":")[2])))
            go.touch()
            for thread in threads:
                thread.join()
            assert [answer.status_code for answer in answers] == [200] * 20
            assert sidecar.ended() == 0

    def test_second_signal_ends_it_at_once(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url, "--pre-stop", "600s") as sidecar:
            sidecar.until_ready()
            sidecar.tell(signal.SIGTERM)
            eventually(lambda: sidecar.events("drain.started"))
            sidecar.tell(signal.SIGTERM)
            assert sidecar.ended() == 0

    def test_an_interrupt_that_no_person_sent_waits_as_a_cluster_needs(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url, "--pre-stop", "600s") as sidecar:
            sidecar.until_ready()
            sidecar.tell(signal.SIGINT)
            (started,) = eventually(lambda: sidecar.events("drain.started"))
            assert started["pre_stop_seconds"] == 600
            sidecar.tell(signal.SIGINT)
            assert sidecar.ended() == 0

    def test_deadline_cuts_and_says_so(self, tmp_path: Path, model: Model) -> None:
        with Serving(tmp_path, "--upstream", model.url, "--drain-timeout", "300ms") as sidecar:
            sidecar.until_ready()
            pending = socket.create_connection(("127.0.0.1", int(sidecar.url.rsplit(":", 1)[1])))
            with pending:
                pending.sendall(b"GET /until?/never HTTP/1.1\r\n\r\n")
                eventually(lambda: sidecar.readyz()[1]["workers"]["in_flight"] == 1)
                sidecar.tell(signal.SIGTERM)
                assert sidecar.ended() == 1
            assert sidecar.events("drain.finished")[0]["cut"] == 1


class TestReload:
    def test_good_bad_good(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "credit.json", version="1")
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            policy(path, version="2")
            eventually(lambda: '"version": "2"' in sidecar.get()["policies"][0])
            path.write_text('{"name": "credit",\n  oops}')
            refused = eventually(lambda: sidecar.events("policy.refused"))
            assert f"{path}:2:3" in refused[0]["reason"]
            status, body = sidecar.readyz()
            assert status == 200
            assert any("refused" in warning and f"{path}:2:3" in warning for warning in body["warnings"])
            assert body["policies"][0]["version"] == "2"
            assert sidecar.metric('sidecar_policy_reloads_total{result="refused"}') == 1
            policy(path, version="3")
            eventually(lambda: '"version": "3"' in sidecar.get()["policies"][0])
            eventually(lambda: not sidecar.readyz()[1]["warnings"])  # said after the workers have it
            current = json.loads((sidecar.data / "policies" / "current").read_text())
            assert [listed["version"] for listed in current["policies"]] == ["3"]

    def test_empty_file_keeps_the_last_good(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "credit.json", version="1")
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            path.write_text("")
            eventually(lambda: sidecar.events("policy.refused"))
            assert '"version": "1"' in sidecar.get()["policies"][0]

    def test_configmap_symlink_swap(self, tmp_path: Path, model: Model) -> None:
        mount = tmp_path / "policies"
        for version in ("1", "2"):
            (mount / f"..{version}").mkdir(parents=True)
            policy(mount / f"..{version}" / "credit.json", version=version)
        (mount / "..data").symlink_to("..1")
        (mount / "credit.json").symlink_to("..data/credit.json")
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(mount)) as sidecar:
            sidecar.until_ready()
            assert '"version": "1"' in sidecar.get()["policies"][0]
            (mount / "..next").symlink_to("..2")
            (mount / "..next").rename(mount / "..data")
            eventually(lambda: '"version": "2"' in sidecar.get()["policies"][0])

    def test_hangup_reads_again_and_the_same_is_no_change(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "credit.json", version="1")
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            sidecar.tell(signal.SIGHUP)
            eventually(lambda: sidecar.metric('sidecar_policy_reloads_total{result="unchanged"}') == 1)
            assert not sidecar.events("policy.loaded")

    def test_what_a_worker_refuses_is_taken_back(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "credit.json", version="1")
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(path), "--workers", "2") as sidecar:
            sidecar.until_ready()
            policy(path, version="unworkable")
            eventually(lambda: sidecar.events("policy.refused"))
            assert '"version": "1"' in sidecar.get()["policies"][0]
            assert sidecar.readyz()[1]["policies"][0]["version"] == "1"

    def test_restarted_worker_serves_by_the_set_in_force(self, tmp_path: Path, model: Model) -> None:
        path = policy(tmp_path / "credit.json", version="1")
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            policy(path, version="2")
            eventually(lambda: '"version": "2"' in sidecar.get()["policies"][0])
            os.kill(sidecar.get()["pid"], signal.SIGKILL)
            eventually(lambda: '"version": "2"' in sidecar.get()["policies"][0])

    def test_what_needs_a_restart_is_said(self, tmp_path: Path, model: Model) -> None:
        config = tmp_path / "sidecar.json"
        config.write_text('{"restart_key": "a"}')
        with Serving(tmp_path, "--upstream", model.url, "--config", str(config)) as sidecar:
            sidecar.until_ready()
            config.write_text('{"restart_key": "b"}')
            eventually(lambda: any("next start" in warning for warning in sidecar.readyz()[1]["warnings"]))


class TestReadiness:
    def test_model_that_starts_late_turns_it_green(self, tmp_path: Path) -> None:
        path = policy(tmp_path / "credit.json", model_versions=["14"])
        with (
            free_port() as port,
            Serving(tmp_path, "--upstream", f"http://127.0.0.1:{port}", "--policy", str(path)) as sidecar,
        ):
            assert sidecar.readyz()[0] == 503
            eventually(lambda: "connection refused" in " ".join(sidecar.readyz()[1]["reasons"]))
            assert httpx.get(f"{sidecar.health}/healthz", timeout=60).status_code == 200
            eventually(lambda: "connection refused" in sidecar.get()["not_ready"])
            with Model(port=port) as model:
                model.ready = False
                eventually(lambda: "answered 400" in " ".join(sidecar.readyz()[1]["reasons"]))
                model.ready = True
                eventually(lambda: sidecar.readyz()[0] == 200)
                assert sidecar.readyz()[1]["policies"][0]["identity"] == "match"
                eventually(lambda: sidecar.get()["identity"] == {"credit": "match"} and not sidecar.get()["not_ready"])

    def test_other_version_stops_that_policy_alone(self, tmp_path: Path, model: Model) -> None:
        folder = tmp_path / "policies"
        folder.mkdir()
        policy(folder / "a.json", name="right", model_versions=["14"])
        policy(folder / "b.json", name="wrong", model_versions=["15"])
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(folder)) as sidecar:
            sidecar.until_ready()
            assert sidecar.readyz("?policy=right")[0] == 200
            status, body = sidecar.readyz("?policy=wrong")
            assert status == 503
            assert "pinned: 15" in body["reasons"][0]
            assert sidecar.readyz("?policy=unknown")[0] == 404
            eventually(lambda: sidecar.get()["identity"] == {"right": "match", "wrong": "mismatch"})

    @pytest.mark.parametrize(("stop", "status"), [(True, 503), (False, 200)])
    def test_mismatch_stops_or_warns(self, tmp_path: Path, model: Model, stop: bool, status: int) -> None:
        path = policy(tmp_path / "credit.json", model_versions=["15"], stop_on_mismatch=stop)
        with Serving(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            eventually(lambda: "pinned: 15" in json.dumps(sidecar.readyz()[1]))
            assert sidecar.readyz()[0] == status

    def test_wrong_namespace_is_never_ready(self, tmp_path: Path, model: Model) -> None:
        config = tmp_path / "sidecar.json"
        config.write_text('{"environment": "production"}')
        with Serving(
            tmp_path, "--upstream", model.url, "--config", str(config), environ={"POD_NAMESPACE": "ml-staging"}
        ) as sidecar:
            reasons = eventually(lambda: [r for r in sidecar.readyz()[1]["reasons"] if "environment" in r])
            assert reasons == [
                "wrong environment: sidecar.yaml is for production, but the pod's namespace says ml-staging"
            ]
            eventually(lambda: "ml-staging" in sidecar.get()["wrong_environment"])
