"""Advice can be followed where it is given: what a message names exists there, and helps."""

import ast
import inspect
import json
import pickle
import re
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
import yaml

from cubelib import TrainingConfig
from cubelib.__main__ import main
from cubelib.cli.commands import app
from cubelib.cli.options import describe
from cubelib.data.readers import read_pairs, read_texts, read_turns, read_vectors_and_texts
from cubelib.data.splits import leak_free_split
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError
from cubelib.training.config_blocks import DataConfig
from cubelib.training.sources import load_dataset, load_splits, resolve_widths

ROOT = Path(__file__).parents[1]
CASES = Path(__file__).parent / "field_cases"
OPTIONS = {option.split()[0][2:] for option, _ in describe()}
COMMANDS = {name: command for name, command in typer.main.get_command(app).commands.items()}
SETTING = re.compile(r"(?<![/\w-])data\.(\w+)(?:: (\[[^\]]*\]|\w+))?")
NAMED_BEFORE = re.compile(r"(\w+): (\w+) \(data\.\1\)")  # set header: true (data.header)
KEYWORD = re.compile(r"(?<![\w(])(\w+)=(?=[\"'\[\d…D])")
WIDTH = re.compile(r"Set embedding_dim: (\d+)")


def letters(texts: list[str]) -> np.ndarray:
    """A teacher of eight numbers."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=8) for text in texts])


def lines(*rows: object) -> str:
    return "\n".join(map(json.dumps, rows))


def vectors(**arrays: int):
    """Writes a .npz file, or a .npy file of arrays with so many numbers each."""
    made = {name: np.random.default_rng(0).normal(size=(20, dim)).astype(np.float32) for name, dim in arrays.items()}

    def write(path: Path) -> None:
        np.savez(path, **made) if path.suffix == ".npz" else np.save(path, made["array"])

    return write


class Mistake:
    """A file that is spoken of.

    Args:
        mode: of the configuration.
        file: one of the field cases, or, with content, any name; or several.
        content: what to write to it.
        values: what a user would give to settings that a message names without a value.
        settings: those of the block data that provoke the message.
    """

    def __init__(self, mode, file, content=None, values=None, load=load_dataset, dim="auto", **settings) -> None:
        self.mode, self.file, self.content, self.load, self.dim = mode, file, content, load, dim
        self.values, self.settings = values or {}, settings

    def __repr__(self) -> str:
        return f"{self.mode}-{self.file}-{'-'.join(map(str, self.settings.values()))}"

    def files(self, folder: Path) -> str | list[str]:
        names = self.file if isinstance(self.file, list) else [self.file]
        for name in names:
            if callable(self.content):
                self.content(folder / name)
            elif self.content is not None:
                (folder / name).write_text(self.content, encoding="utf-8")
        places = [str((CASES if self.content is None else folder) / name) for name in names]
        return places if isinstance(self.file, list) else places[0]

    def said(self, folder: Path, dim: object = None, **changes: object) -> list[str]:
        """The error, or the warnings."""
        data = {"file": self.files(folder), **self.settings, **changes}
        data = {name: value for name, value in data.items() if value is not None}
        settings = {"mode": self.mode, "embedding_dim": dim or self.dim, "lattice_size": [4, 4, 4], "data": data}
        encoder = TeacherEncoder(letters)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self.load(resolve_widths(TrainingConfig.from_dict(settings), encoder), encoder)
            except (DataError, ConfigError) as error:
                return [str(error)]
        return list(dict.fromkeys(str(warning.message) for warning in told))

    @property
    def reader(self):
        if self.load is load_splits:
            return leak_free_split
        content = self.settings.get("content", "vectors" if Path(str(self.file)).suffix in (".npz", ".npy") else "")
        by_content = {"conversations": read_turns, "vectors": read_vectors_and_texts}
        return by_content.get(content, read_pairs if self.mode == "dialogue" else read_texts)


SENTENCES = "\n".join(f"Sentence {number} of many." for number in range(30))
SCORED = "question,answer,quality\n" + "".join(f"Q{n}?,It is {n}.,{n % 5 / 2 + 0.1}\n" for n in range(20))
MISTAKES = [
    Mistake("dialogue", "01_stsb_tsv/sts-train.tsv", values={"question_column": 5, "answer_column": 6}),
    Mistake("dialogue", "03_tsv_open_quote/quora.tsv", values={"question_column": 3, "answer_column": 4}),
    Mistake("dialogue", "05_sep_line_cp1252/faq.csv", values={"encoding": "cp1252", "delimiter": "semicolon"}),
    Mistake("dialogue", "05_sep_line_cp1252/faq.csv", values={"encoding": "cp1252"}, encoding="utf-8"),
    Mistake("dialogue", "05_sep_line_cp1252/faq.csv", values={"encoding": "cp1252"}, encoding="cp99"),
    Mistake("dialogue", "07_tsv_no_header/pairs.tsv", values={"header": False}),
    Mistake("autoencoder", "07_tsv_no_header/pairs.txt"),
    Mistake("dialogue", "08_msmarco_triples/triples.tsv"),
    Mistake("dialogue", "08_msmarco_triples/triples.tsv", bad_rows="skip",
            values={"question_column": "query", "answer_column": "positive"}),
    Mistake("dialogue", "12_encode_empty_cell/faq.csv"),
    Mistake("dialogue", "49_labels_ignored/quora.csv",
            values={"question_column": "question1", "answer_column": "question2"}),
    Mistake("dialogue", "scored.csv", SCORED, label_column="quality", values={"min_score": 1}),
    Mistake("dialogue", "53_nan_words/faq.csv"),
    Mistake("dialogue", "24_telegram_chat/result.json", content_="texts",
            values={"question_column": "a", "answer_column": "b"}),
    Mistake("dialogue", "27_whatsapp_txt/_chat.txt", content_="texts",
            values={"question_column": 0, "answer_column": 0}),
    Mistake("autoencoder", "27_whatsapp_txt/_chat.txt", content_="texts"),
    Mistake("autoencoder", "30_openai_csv/ada.csv", content_="texts", text_column="ada_embedding"),
    Mistake("dialogue", "30_openai_csv/embedded.csv", content_="vectors",
            values={"vector_column": None, "question_column": "embedding", "answer_column": "embedding"}),
    Mistake("autoencoder", "42_texts_with_vectors/corpus.jsonl", content_="vectors",
            values={"vector_column": "answer", "question_column": None, "answer_column": None}),
    Mistake("autoencoder", "40_two_files/narrow.npz",
            values={"vector_column": "answer", "question_column": None, "answer_column": None}),
    Mistake("autoencoder", "42_texts_with_vectors/corpus.jsonl", content_="vectors", vector_column="answer",
            text_column="title", values={"text_column": "question"}),
    Mistake("dialogue", ["q.npy", "a.npy", "b.npy"], vectors(array=8)),
    Mistake("autoencoder", "v.npy", vectors(array=12), dim=8),
    Mistake("autoencoder", "v.npz", vectors(question=12, answer=12), vector_column="questions",
            values={"vector_column": "question", "question_column": None, "answer_column": None}),
    Mistake("dialogue", "open.csv", 'question,answer\n"A?,b\nC?,d\n'),
    Mistake("dialogue", "first.csv", '"question,answer\nC?,d\n'),
    Mistake("dialogue", "chats.jsonl", lines(*({"talk": ["Hi.", "Ho."]} for _ in range(9))), content_="conversations",
            values={"messages_column": "talk", "conversation_column": None}),
    Mistake("dialogue", "turns.csv", "chat,said\n" + "1,Hi.\n1,Ho.\n" * 9, content_="conversations",
            values={"conversation_column": "chat", "messages_column": None}, text_column="said"),
    Mistake("dialogue", "43_faq_many_questions/faq.csv", load=load_splits),
    Mistake("dialogue", "43_faq_many_questions/yesno.csv", load=load_splits),
    Mistake("autoencoder", "a.txt", SENTENCES, label_column="x", values={"label_column": None}),
    Mistake("dialogue", "scored.csv", SCORED, answer_role="x", values={"answer_role": None}),
    Mistake("dialogue", "v.npz", vectors(question=8, answer=8), bad_rows="skip"),
]  # fmt: skip
for mistake in MISTAKES:  # "content" is an argument of Mistake itself
    if "content_" in mistake.settings:
        mistake.settings["content"] = mistake.settings.pop("content_")


def advised(message: str, values: dict) -> list[dict]:
    """What to set, each piece of advice alone; settings that a sentence names together are set together."""
    found = []
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", message):
        given = {name: yaml.safe_load(value) for name, value in SETTING.findall(sentence) if value}
        given |= {name: yaml.safe_load(value) for name, value in NAMED_BEFORE.findall(sentence)}
        open_names = [name for name, value in SETTING.findall(sentence) if not value]
        open_names += ["delimiter", "header", "quoting"] if "data.encoding, …" in sentence else []
        given |= {name: values[name] for name in open_names if name in values}
        width = WIDTH.search(sentence)
        if width:
            given["dim"] = int(width[1])
        found += [given] if given else []
    return found


@pytest.mark.parametrize("mistake", MISTAKES, ids=repr)
def test_settings_that_a_message_names_exist_and_help(tmp_path, mistake):
    said = mistake.said(tmp_path)
    assert said
    for message in said:
        names = {name for name, _ in SETTING.findall(message) if name not in ("csv", "file")}
        assert names <= DataConfig.model_fields.keys()
        keywords = {*inspect.signature(mistake.reader).parameters, "dialect"}
        assert set(KEYWORD.findall(message.split("such as")[0])) <= keywords, message
        assert not re.search("rename|iconv", message, re.IGNORECASE)
        pieces = advised(message, mistake.values)
        assert pieces or not names - mistake.settings.keys(), f"what should a user give? {message}"
        for piece in pieces:
            again = mistake.said(tmp_path, **piece)
            assert message not in again, (piece, message)
            assert not any(text.startswith("TrainingConfig") for text in again), (piece, again)


READING = [*(ROOT / "cubelib" / "data").rglob("*.py"), ROOT / "cubelib" / "training" / "sources.py"]


def strings(paths) -> list[str]:
    """All strings of these modules but the docstrings; the parts between braces of an f-string are left out."""
    found = []
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        ignored = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ignored:
                found.append(node.value)
    return found


def test_every_setting_that_the_readers_name_is_among_the_mistakes(tmp_path):
    named = {name for text in strings(READING) for name, _ in SETTING.findall(text)} & DataConfig.model_fields.keys()
    provoked = {
        name for mistake in MISTAKES for message in mistake.said(tmp_path) for name, _ in SETTING.findall(message)
    }
    assert named - provoked == {"limit", "pause_hours"}  # not advice: notes in the report


def test_options_and_commands_in_messages_exist():
    everything = strings((ROOT / "cubelib").rglob("*.py"))
    known = OPTIONS | {option[2:] for command in COMMANDS.values() for p in command.params for option in p.opts}
    known |= {"help", "standalone", "nproc-per-node", "no-deps", "force-reinstall", "SETTING", "index-url"}
    for text in everything:
        if ":root {" in text:  # a style sheet has variables of this form
            continue
        assert set(re.findall(r"(?<![\w-])--([a-zA-Z][\w.-]*\w)", text)) <= known, text
        assert not re.search(r"\biconv\b|\b[Rr]ename (it|the file)", text), text
        for command in re.findall(r"(?:python -m cubelib|-m cubelib) (\w+)", text):
            assert command in {*COMMANDS, "COMMAND"}, text


@pytest.mark.parametrize(
    "settings",
    [
        {"epoch": 5}, {"core": {"bottleneck": 99}}, {"mode": "autoencoder", "data": {"language": "de"}},
        {"data": {"content": "vectors"}}, {"answer_dim": 5}, {"data": {"split": "new_questions"}},
        {"data": {"delimiter": "ab"}}, {"lattice_size": [1, 8, 8]}, {"core": {"steps": 3}},
        {"mode": "dialogue", "batch_size": 1, "gradient_accumulation": 1}, {"core": {"whitening": True}},
        {"mixed": {"plan": "curriculum", "autoencoder_weight": 0.5}}, {"data": {"files": "a.csv"}},
        {"core": {"global_channels": 2}}, {"data": {"test_fraction": 0.49, "validation_fraction": 0.49}},
    ],
    ids=str,
)  # fmt: skip
def test_settings_in_the_messages_of_a_configuration_exist(settings):
    with pytest.raises(ConfigError) as error:
        TrainingConfig.from_dict(settings)
    known = {option.replace("-", "_") for option in OPTIONS}
    known |= {name.split(".")[-1] for name in known} | {"core", "data", "mixed"}
    told = str(error.value).split(". ", 1)[1]
    tried = {
        *settings,
        *(f"{block}.{name}" for block, inner in settings.items() if type(inner) is dict for name in inner),
    }
    named = (
        set(re.findall(r"\b(?:(?:core|data|mixed)\.)?[a-z]+_[a-z_]+\b|\b(?:core|data|mixed)\.[a-z_]+", told)) - tried
    )
    assert named - {"new_questions", "new_answers"} <= known
    meant = re.search(r"did you mean (\S+)\?", told)
    assert meant is None or meant[1] in known


# --- lines of code ----------------------------------------------------------------------------------------------------


def code_in(message: str) -> str:
    """The line of Python that a message has, up to its last closing bracket."""
    start = re.search(r"np\.save\(|torch\.save\(|import \w+, ", message).start()
    depth, text = 0, message[start:]
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == ")" and depth == 0 and not text.startswith("; ", place + 1):
            return text[: place + 1]
    raise AssertionError(message)


ARRAY = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("three.npy", lambda path: np.save(path, ARRAY[:, None])),
        ("one.npy", lambda path: np.save(path, ARRAY[0])),
        ("tokens.npy", lambda path: np.save(path, ARRAY.reshape(20, 2, 16))),
        ("words.npy", lambda path: np.save(path, np.array([["a"]]))),
        ("holes.npy", lambda path: np.save(path, np.array([*ARRAY, None], dtype=object), allow_pickle=True)),
        ("bits.npy", lambda path: np.save(path, np.packbits(ARRAY > 0, axis=1))),
        ("v.pkl", lambda path: path.write_bytes(pickle.dumps(ARRAY))),
        ("v.pt", lambda path: torch.save(ARRAY, path)),
    ],
)
def test_a_line_of_code_in_a_message_makes_a_file_that_is_read(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    with pytest.raises(DataError) as error:
        read_vectors_and_texts(path)
    values = {"np": np, "torch": torch, "path": path, "vectors": [*ARRAY, *[None] * (name == "holes.npy")]}
    if path.suffix == ".npy" and name != "holes.npy":
        values["array"] = np.load(path)
    exec(code_in(str(error.value)), values)
    found, _ = read_vectors_and_texts(path.with_suffix(".npy") if name == "v.pkl" else path)
    assert len(found) >= 20


def test_the_line_for_hdf5_is_python():
    with pytest.raises(DataError) as error:
        read_vectors_and_texts(CASES / "39_pt_pkl_npz/emb.h5")
    compile(code_in(str(error.value)), "advice", "exec")


# --- commands with options of their own -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (Mistake("", "12_encode_empty_cell/faq.csv"), ["--columns", "question,answer"]),
        (Mistake("", "53_nan_words/faq.csv"), ["--columns", "answer"]),
        (Mistake("", "05_sep_line_cp1252/faq.csv"), ["--columns", "answer", "--encoding", "utf-8"]),
        (Mistake("", "05_sep_line_cp1252/faq.csv"), ["--columns", "answer"]),
        (Mistake("", "07_tsv_no_header/pairs.txt"), []),
        (Mistake("", "01_stsb_tsv/sts-train.tsv"), []),
        (Mistake("", "30_openai_csv/ada.csv"), ["--columns", "ada_embedding"]),
        (Mistake("", "30_openai_csv/ada.csv"), ["--columns", "embedding"]),
        (Mistake("", "24_telegram_chat/result.json"), []),
        (Mistake("", "27_whatsapp_txt/_chat.txt"), []),
        (Mistake("", "open.csv", 'text,b\n"A?,b\nC?,d\n'), []),
    ],
    ids=repr,
)
def test_encode_names_options_that_it_has_and_that_help(tmp_path, monkeypatch, capsys, mistake, words):
    monkeypatch.setattr("cubelib.encoders.encode_file._encode_missing", lambda *_: 1 / 0)  # all is read by then

    def said(*more: str) -> str:
        with suppress(ZeroDivisionError):
            assert main(["encode", mistake.files(tmp_path), "--out", str(tmp_path / "v.safetensors"), *more]) == 2
        return capsys.readouterr().err

    message = said(*words)
    assert message
    assert not {name for name, _ in SETTING.findall(message)} & DataConfig.model_fields.keys(), message
    assert not KEYWORD.search(re.sub(r"\(in Python .*?\)", "", message)), message
    options = {option for parameter in COMMANDS["encode"].params for option in parameter.opts}
    named = re.findall(r"(--[a-z-]+)(?: (skip|\d|\S+,\S+))?", message)
    assert {option for option, _ in named} <= options
    followed = [part for option, value in named if value for part in (option, value)]
    assert not followed or said(*words, *followed) != message
