"""Networks pushed to and pulled from a Hub on this machine: a small server that answers the library."""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from musicdenoise import load_weights
from musicdenoise.cli.app import app
from musicdenoise.errors import UsageError, WeightsError
from musicdenoise.weights import hub as hub_module
from musicdenoise.weights.card import model_card
from musicdenoise.weights.hub import WEIGHTS_FILE, pull_weights, push_weights
from musicdenoise.weights.store import WeightsStore

REPO = "jane/my-net"
TOKEN = "hf_test"


@dataclass
class Hub:
    """What the server holds, and how it misbehaves."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    refused: int | None = None
    is_lying: bool = False

    def info(self, repo: str) -> dict[str, object]:
        siblings = []
        for name, content in self.files[repo].items():
            digest = hashlib.sha256(b"other" if self.is_lying else content).hexdigest()
            lfs = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append({"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs})
        return {"id": repo, "sha": "c" * 40, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0}


class Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, document: object = None, status: int = 200, error: str = "") -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("X-Error-Code", error)
        if isinstance(document, bytes):
            self.send_header("ETag", f'"{hashlib.sha256(document).hexdigest()}"')
            self.send_header("X-Repo-Commit", "c" * 40)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hub = self.hub
        if self.path == "/api/validate-yaml":
            assert "library_name: " in json.loads(body)["content"]
            self.answer({"errors": [], "warnings": []})
        elif hub.refused or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "no"}, hub.refused or 401)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            hub.private[repo] = asked.get("private") or asked.get("visibility") == "private"
            status = 409 if repo in hub.files else 200
            hub.files.setdefault(repo, {})  # before the answer: the next question comes at once
            self.answer({"url": f"{hub.url}/{repo}"}, status)
        elif "/preupload/" in self.path:
            known = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self.answer({"files": [{"path": file["path"], **known} for file in json.loads(body)["files"]]})
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    hub.files[found[1]][line["value"]["path"]] = content
            self.answer(
                {"commitUrl": f"{hub.url}/{found[1]}/commit/1", "commitOid": "c" * 40, "success": True}
            )
        else:
            raise AssertionError(self.path)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        if found and found[1] in self.hub.files:
            known = found[2] in (None, "main", "c" * 40)
            self.answer(*((self.hub.info(found[1]),) if known else ({}, 404, "RevisionNotFound")))
        elif resolved := re.fullmatch(r"/([^/]+/[^/]+)/resolve/c{40}/(.+)", path):
            self.answer(self.hub.files[resolved[1]][resolved[2]])
        else:
            self.answer({}, 404, "RepoNotFound")

    def do_HEAD(self) -> None:
        self.do_GET()


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    """One for all tests, at one address: some versions of the library read it when they are imported."""
    state = Hub()
    handler = type("Bound", (Handler,), {"hub": state})
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd,
        pytest.MonkeyPatch.context() as patch,
    ):
        state.url = f"http://127.0.0.1:{httpd.server_port}"
        patch.setenv("HF_ENDPOINT", state.url)
        pytest.importorskip("huggingface_hub")
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture
def hub(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    vars(server).update(vars(Hub(url=server.url)))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("MUSICDENOISE_CACHE", str(tmp_path / "cache"))
    return server


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["weights", *map(str, arguments)])


def test_a_network_goes_and_comes_back(hub: Hub, mini_weights: Path, write_wav, noisy_tune) -> None:
    pushed = invoke("push", mini_weights, REPO, "--private")
    assert pushed.exit_code == 0, pushed.output
    assert hub.private[REPO]
    assert hub.files[REPO][WEIGHTS_FILE] == mini_weights.read_bytes()
    card = hub.files[REPO]["README.md"].decode()
    assert card.startswith('---\nlicense: "unknown"\nlibrary_name: "musicdenoise"\n')
    assert f"musicdenoise weights pull {REPO} my-net" in card
    pulled = invoke("pull", REPO)
    assert pulled.exit_code == 0, pulled.output
    path = Path(invoke("path", "my-net").stdout.strip())
    assert path.read_bytes() == mini_weights.read_bytes()
    ours, theirs = load_weights("my-net")[0].state_dict(), load_weights(mini_weights)[0].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert "my-net" in invoke("list").stdout
    song = write_wav("song.wav", noisy_tune[:, :20_000])
    denoise = CliRunner().invoke(app, ["denoise", str(song), "--weights", "my-net", "--device", "cpu"])
    assert denoise.exit_code == 0, denoise.output
    path.write_bytes(b"damaged")
    assert "my-net.safetensors: is damaged" in invoke("verify").stderr
    assert invoke("fetch", "my-net").exit_code == 0, "a public network comes again from where it was"
    assert path.read_bytes() == mini_weights.read_bytes()
    assert invoke("remove", "my-net").exit_code == 0
    assert "my-net" not in invoke("list").stdout
    assert "no pretrained weights named 'my-net'" in invoke("path", "my-net").stderr


def test_the_second_push_needs_force_if_the_network_is_another(hub: Hub, mini_weights: Path) -> None:
    push_weights(mini_weights, REPO)
    push_weights(mini_weights, REPO)
    other = push_weights
    with pytest.raises(WeightsError, match=r"jane/my-net: holds another network already; overwrite"):
        other("white", REPO)
    other("white", REPO, overwrite=True)
    assert b"cc-by-nc-4.0" in hub.files[REPO]["README.md"]


def test_names_are_not_taken_from_others(hub: Hub, mini_weights: Path, tmp_path: Path) -> None:
    store = WeightsStore(folder=tmp_path / "store")
    push_weights(mini_weights, REPO)
    push_weights(mini_weights, "joe/my-net")
    for name in ("mixed", "../x", ".hidden", "a/b", ""):
        with pytest.raises(UsageError, match=r"belongs to the package|cannot be named"):
            pull_weights(REPO, name, store=store)
    pull_weights(REPO, store=store)
    pull_weights(REPO, store=store, revision="main")  # again, to update it
    with pytest.raises(WeightsError, match=r"my-net was pulled from .*jane/my-net.*overwrite"):
        pull_weights("joe/my-net", store=store)
    assert "joe" in pull_weights("joe/my-net", store=store, overwrite=True).sources[0]
    assert [entry.name for entry in store.entries()].count("my-net") == 1


def test_pull_keeps_nothing_that_is_not_a_network(hub: Hub, tmp_path: Path, mini_weights: Path) -> None:
    store = WeightsStore(folder=tmp_path / "store")
    content = mini_weights.read_bytes()
    cases = {
        "holds no model.safetensors": {"README.md": b"hello"},
        "is not a safetensors file, or is damaged": {WEIGHTS_FILE: b"not a network"},
        "jane/my-net: its model.safetensors has 0 bytes": {WEIGHTS_FILE: b""},
    }
    for reason, files in cases.items():
        hub.files[REPO] = files
        with pytest.raises(WeightsError, match=reason):
            pull_weights(REPO, store=store)
    hub.files[REPO], hub.is_lying = {WEIGHTS_FILE: content}, True
    with pytest.raises(WeightsError, match="arrived damaged"):
        pull_weights(REPO, store=store)
    assert not list(store.folder.rglob("*.safetensors"))


def one_line(result) -> str:
    assert result.exit_code in (1, 2), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_what_can_go_wrong_is_one_line(
    hub: Hub, mini_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is no such repository at http://127.0.0.1" in one_line(invoke("pull", "jane/missing"))
    assert "'a b' is no name of a repository: give OWNER/NAME" in one_line(invoke("pull", "a b", "net"))
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"junk")
    assert "is not a safetensors file" in one_line(invoke("push", junk, REPO))
    assert not hub.files
    hub.refused = 403
    assert "refuses the credentials (403)" in one_line(invoke("push", mini_weights, REPO))
    hub.refused = 503
    assert "answered 503; try again later" in one_line(invoke("push", mini_weights, REPO))
    hub.refused = None
    push_weights(mini_weights, REPO)
    assert "has no such revision" in one_line(invoke("pull", REPO, "--revision", "v9"))
    monkeypatch.setenv("HF_ENDPOINT", "http://jane:secret@127.0.0.1:9")
    line = one_line(invoke("pull", REPO))
    assert "http://127.0.0.1:9 cannot be reached" in line and "secret" not in line
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert "cannot be written without credentials; set HF_TOKEN" in one_line(
        invoke("push", mini_weights, REPO)
    )


def test_without_the_library_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "find_spec", lambda _: None)
    for arguments in (("push", "white", REPO), ("pull", REPO)):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert "pip install 'musicdenoise[hub]'" in one_line(result)


def test_a_damaged_index_of_pulled_networks_is_told(tmp_path: Path) -> None:
    (tmp_path / "pulled.json").write_text("{")
    with pytest.raises(WeightsError, match=r"pulled\.json: is damaged; remove it, and pull"):
        WeightsStore(folder=tmp_path).entries()


def test_the_card_says_what_the_file_says(tmp_path: Path) -> None:
    store = WeightsStore(folder=tmp_path)
    metadata = load_weights(store.fetch(store.find("mixed")))[1]
    card = model_card("jane/net", metadata)
    front = card.split("---\n")[1]
    assert 'license: "cc-by-nc-4.0"' in front and '"mixed"' in front
    for name, value in metadata.metrics.items():
        assert f"| {name} | {value} |" in card
    assert '"config"' not in card and "| config |" not in card


def test_a_licence_with_another_name_cannot_end_the_front_matter(mini_weights: Path) -> None:
    metadata = replace(load_weights(mini_weights)[1], licence="mine\n---\nevil: true", data={"a|b": "c\nd"})
    card = model_card("jane/net", metadata)
    front = card.split("---\n")[1].splitlines()
    assert front[:2] == ['license: "other"', 'license_name: "mine\\n---\\nevil: true"']
    assert r"| a\|b | c d |" in card
