"""A model by hub id, downloaded by huggingface_hub from a hub that the test serves, and used without it afterwards."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save_file

from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM

NAME = "owner/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def published(tmp_path):
    """A folder in the published layout, with what the hub also holds and nobody needs."""
    folder = tmp_path / "published"
    folder.mkdir()
    torch.manual_seed(0)
    settings = {
        "model_type": "ProSST", "vocab_size": 25, "ss_vocab_size": 11, "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 32, "pos_att_type": ["aa2pos", "pos2aa", "aa2ss", "ss2aa"],
        "relative_attention": True, "max_relative_positions": 64,
        "auto_map": {"AutoModelForMaskedLM": "modeling_prosst.ProSSTForMaskedLM"},
    }  # fmt: skip
    model = ProsstForMaskedLM(ProsstConfig.from_dict(settings))
    (folder / "config.json").write_text(json.dumps(settings))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_prosst.py").write_text("raise SystemExit('remote code was run')")
    (folder / "README.md").write_text("# tiny")
    return folder


@pytest.fixture
def hub(published):
    """A server that answers as the hub does, and the list of files that were asked for."""
    files = {path.name: path.read_bytes() for path in published.iterdir()}
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{NAME}/tree/"):
                content = json.dumps(
                    [{"type": "file", "path": n, "size": len(c), "oid": hash_of(c)} for n, c in files.items()]
                ).encode()
                headers = {"Content-Type": "application/json"}
            elif path.startswith(f"/api/models/{NAME}"):
                record = {"id": NAME, "modelId": NAME, "sha": COMMIT, "private": False, "tags": []}
                content = json.dumps({**record, "siblings": [{"rfilename": name} for name in files]}).encode()
                headers = {"Content-Type": "application/json"}
            elif path.rpartition("/")[0] == f"/{NAME}/resolve/{COMMIT}" and path.rpartition("/")[2] in files:
                name = path.rpartition("/")[2]
                content = files[name]
                headers = {"ETag": f'"{hash_of(content)}"', "X-Repo-Commit": COMMIT}
                asked.append(name)
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, asked
    server.shutdown()
    server.server_close()


def hash_of(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def test_a_hub_id_is_downloaded_once_and_then_read_from_the_cache(hub, structures, tmp_path):
    server, asked = hub
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }

    def score(out, model=NAME, **more):
        environment_now = {**environment, **more}
        command = ["score", str(structures / "1crn.cif"), "--model", model, "--tokenizer", "dssp", "--out", out]
        program = (
            f"import sys; from plait.cli.main import main; sys.exit(main({[*command, '--mutations', 'T1A,T2C']!r}))"
        )
        return subprocess.run(
            [sys.executable, "-c", program], env=environment_now, cwd=tmp_path, capture_output=True, text=True
        )

    first = score("first", HF_HUB_OFFLINE="0")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert set(asked) == {"config.json", "model.safetensors"}, "neither the pickle nor the code is fetched"
    unknown = score("none", model="owner/absent", HF_HUB_OFFLINE="0")
    assert unknown.returncode == 2
    assert unknown.stderr.splitlines()[-1].startswith("plait: no such model on the hub (got 'owner/absent')")

    count = len(asked)
    server.shutdown()
    offline = score("offline", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert len(asked) == count
    table = (tmp_path / "first" / "scores.csv").read_bytes()
    assert table == (tmp_path / "offline" / "scores.csv").read_bytes()
    assert table.count(b"\n") == 3
    assert json.loads((tmp_path / "offline" / "run.json").read_text())["model"]["name"] == NAME
