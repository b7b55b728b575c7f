"""The hub: downloads over a real connection from a small server of the test's own, and a TeacherEncoder on top."""

import functools
import re
import shutil
import sys
from pathlib import Path

import huggingface_hub
import pytest
from fake_hub import COMMIT, FakeHub
from tiny_model import make_tiny_model

from cubelib.data.hub import download
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError, UserError

TEXTS = ["red cat", "the dog sleeps", "blue sea"]
JSON = {"revision": None, "patterns": ["*.json"]}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A model as it lies on the hub, beside what must stay there."""
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    return folder


@pytest.fixture
def hub(tiny, tmp_path, monkeypatch):
    """A running hub with the model, as a model and as a data set; what is downloaded lands in `tmp_path / "hub"`."""
    names = ["tiny/model", "tiny/gated", "tiny/other"]
    with FakeHub(dict.fromkeys(names, tiny), gated=["tiny/gated"]) as hub:
        use(hub, tmp_path, monkeypatch)
        yield hub


def use(hub, tmp_path, monkeypatch):
    real = functools.partial(snapshot_download, endpoint=hub.url, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", real)


snapshot_download = huggingface_hub.snapshot_download


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_only_files_of_the_kinds_asked_for_are_fetched(hub, tiny):
    folder = download("tiny/model", kind="model", revision=None, patterns=["*.json", "*.safetensors"])
    wanted = {name for name in files_in(tiny) if name.endswith((".json", ".safetensors"))}
    assert files_in(folder) == wanted
    assert "1_Pooling/config.json" in wanted
    assert all((folder / name).read_bytes() == (tiny / name).read_bytes() for name in wanted)
    assert not [request for request in hub.requests if request.endswith((".bin", ".py"))]


@pytest.mark.parametrize("kind", ["model", "dataset"])
@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_what_is_here_needs_no_connection(hub, kind, revision):
    first = download("tiny/model", kind=kind, revision=revision, patterns=["*.json"])
    assert any(f"/api/{kind}s/tiny/model" in request for request in hub.requests)
    hub.requests.clear()
    assert download("tiny/model", kind=kind, revision=revision, patterns=["*.json"]) == first
    assert hub.requests == []


def test_files_of_another_kind_are_fetched_later(hub):
    download("tiny/model", kind="model", revision=None, patterns=["*.json"])
    folder = download("tiny/model", kind="model", revision=None, patterns=["*.safetensors"])
    assert (folder / "model.safetensors").is_file()


def test_an_interrupted_download_is_continued(hub, monkeypatch):
    with monkeypatch.context() as patch:
        answer = hub.answer
        patch.setattr(hub, "answer", lambda path: (404, {}, b"") if path.endswith("/config.json") else answer(path))
        with pytest.raises(UserError, match=r"cannot download the model tiny/model \(.*Files that arrived are kept"):
            download("tiny/model", kind="model", **JSON)
    hub.requests.clear()
    folder = download("tiny/model", kind="model", **JSON)
    assert (folder / "config.json").is_file()
    assert not [request for request in hub.requests if request.endswith("/modules.json")]  # that had arrived


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"name": "tiny/none"}, ConfigError, "there is no model tiny/none, or it is private"),
        ({"name": "tiny/none", "kind": "dataset"}, ConfigError, "there is no dataset tiny/none"),
        ({"name": "tiny/gated"}, ConfigError, "accept the terms of the model tiny/gated .*hf auth login"),
        ({"name": "a/b/c"}, ConfigError, "'a/b/c' is not the name of a model; expected organization/name"),
        ({"revision": "v7"}, ConfigError, "there is no model tiny/model at revision 'v7'"),
        ({"required": ["*.json", "*.csv"]}, DataError, r"tiny/model has no file like \*\.csv. Only \*\.json are"),
        ({"patterns": ["*.csv"]}, DataError, r"tiny/model has no file like \*\.csv"),
    ],
)
def test_what_cannot_be_had_is_one_sentence_that_says_what_to_do(hub, given, error, message):
    with pytest.raises(error, match=message) as caught:
        download(**{"name": "tiny/model", "kind": "model", **JSON, **given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [huggingface_hub.errors.HTTPError("it broke\nFor more see"), OSError("it broke"), RuntimeError("it broke")],
)
def test_whatever_ends_a_download_is_one_sentence(error, monkeypatch):
    def fails(*_, local_files_only=False, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("nothing") if local_files_only else error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(UserError, match=r"^Hub: cannot download the dataset tiny/some \(it broke\)\. Check .*$"):
        download("tiny/some", kind="dataset", **JSON)


def test_an_environment_that_forbids_connections_is_obeyed(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"offline mode is enabled.*HF_HUB_OFFLINE"):
        download("tiny/model", kind="model", **JSON)
    assert hub.requests == []


@pytest.mark.parametrize("module", ["huggingface_hub", "huggingface_hub.errors"])
def test_a_missing_package_is_named_with_the_command(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=re.escape('python -m pip install "huggingface_hub>=1.25"')):
        download("tiny/model", kind="model", **JSON)


def test_a_model_of_the_hub_is_the_same_as_its_folder(hub, tiny, tmp_path):
    encoder = TeacherEncoder("hub:tiny/model", cache_dir=tmp_path)
    vectors = encoder.encode(TEXTS)
    assert (encoder.name, encoder.dim, encoder.misses) == ("hub:tiny/model", 12, 3)
    assert not [request for request in hub.requests if request.endswith((".bin", ".py"))]
    local = TeacherEncoder(tiny, cache_dir=tmp_path)
    assert (local.sha256, local.tag) == (encoder.sha256, encoder.tag)
    assert local.encode(TEXTS).equal(vectors)
    assert local.hits == 3
    # After a model was loaded, and with the library locked while it was, another can still be downloaded.
    named = TeacherEncoder(f"hub:tiny/other@{COMMIT}", cache_dir=tmp_path)
    assert named.encode(TEXTS).equal(vectors)


def test_a_revision_is_passed_on_and_a_wrong_device_told_before_the_download(hub, tmp_path):
    with pytest.raises(ConfigError, match="there is no model tiny/model at revision 'v7'"):
        TeacherEncoder("hub:tiny/model@v7", cache_dir=tmp_path)
    hub.requests.clear()
    with pytest.raises(ConfigError, match="device 'abacus' is not known"):
        TeacherEncoder("hub:tiny/model", cache_dir=tmp_path, device="abacus")
    with pytest.raises(ConfigError, match="'' is not the name of a model"):
        TeacherEncoder("hub:", cache_dir=tmp_path)
    assert hub.requests == []


def test_repositories_without_the_right_files_are_refused(hub, tiny, tmp_path):
    for name, lacking in (("no-weights", "model.safetensors"), ("no-modules", "modules.json")):
        shutil.copytree(tiny, tmp_path / name)
        (tmp_path / name / lacking).unlink()
    hub.repositories = {f"tiny/{name}": tmp_path / name for name in ("no-weights", "no-modules")}
    with pytest.raises(DataError, match=r"tiny/no-weights has no file like \*\.safetensors"):
        TeacherEncoder("hub:tiny/no-weights", cache_dir=tmp_path)
    with pytest.raises(DataError, match=r"tiny/no-modules has no file like modules\.json"):
        TeacherEncoder("hub:tiny/no-modules", cache_dir=tmp_path)
