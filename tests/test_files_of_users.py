"""Files as users have them, from the configuration to the data set: what comes of each, and what is said about it."""

import re
import shutil
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import make_tiny_model

from cubelib import CubeTrainer, TrainingConfig
from cubelib.__main__ import main
from cubelib.data.datasets import AutoencoderDataset, DialogueDataset
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import DataError
from cubelib.training.losses import contrastive, contrastive_cosine
from cubelib.training.sources import load_dataset, load_splits, make_encoder, resolve_widths

FOLDER = Path(__file__).parent / "field_cases"
QUESTION, ANSWER = "How do I reset my password?", "Use the link on the sign-in page."
NOTE = f"Note 0: {QUESTION}"


def letters(texts: list[str]) -> np.ndarray:
    """A teacher of eight numbers."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=8) for text in texts])


def configured(mode: str, files: str | list[str], data: dict) -> TrainingConfig:
    places = [str(FOLDER / name) for name in ([files] if isinstance(files, str) else files)]
    data = {"file": places[0] if isinstance(files, str) else places, **data}
    settings = {"mode": mode, "embedding_dim": "auto", "lattice_size": [4, 4, 4], "data": data}
    return resolve_widths(TrainingConfig.from_dict(settings), TeacherEncoder(letters))


def case(files, expected, told=(), first=(QUESTION, ANSWER), mode="dialogue", **data):
    """A file with its settings, how many items come of it or in which words it is refused, and what is said."""
    return pytest.param(mode, files, data, expected, first, told, id=f"{files}-{'-'.join(map(str, data.values()))}")


HALF = {"first": ("Where is my parcel?", "The tracking number is in our mail.")}
PAIRS = [
    case("01_stsb_tsv/sts-train.tsv", r"line 1: .* the line seems to hold data, not names: .*main-captions"),
    case("01_stsb_tsv/sts-train.tsv", 12, ["without a header"], question_column=5, answer_column=6,
         first=("A girl is brushing her hair.", "A young woman combs her hair.")),
    case("01_stsb_tsv/sts-train.tsv", 9, ["without a header", "3 of 12 rows are left out: a score below 1"],
         question_column=5, answer_column=6, label_column=4, min_score=1,
         first=("A girl is brushing her hair.", "A young woman combs her hair.")),
    case("03_tsv_open_quote/quora.tsv", 13, ["is the column 'question1'", "7 of 13 pairs are marked as wrong"],
         first=('How tall is a 6" nail?', "How long is a nail of six inches?")),
    case("03_tsv_open_quote/quora.tsv", 6, ["is the column 'question1'", "7 of 13 rows are left out"],
         label_column="is_duplicate",
         first=('"Wanderlust, what is the English word?', "Which English word means Wanderlust?")),
    case("04_semicolon_bom/faq.csv", 12, ["divided by semicolons"]),
    case("05_sep_line_cp1252/faq.csv", 12, ["encoded as cp1252, divided by semicolons"]),
    case("06_excel_unicode_text/faq.csv", 12, ["encoded as utf-16"]),
    case("06_excel_unicode_text/faq.txt", 12, ["encoded as utf-16"]),
    case("07_tsv_no_header/pairs.tsv", 12, ["'question' is column 0, 'answer' is column 1"]),
    case("07_tsv_no_header/pairs.txt", 12, ["without a header"], question_column=0, answer_column=1),
    case("08_msmarco_triples/triples.tsv", r"line 6: 4 cells where the header has 3"),
    case("08_msmarco_triples/triples.tsv", 11, ["column 'positive'", r"\(line 6\)", "'negative' is not used"],
         bad_rows="skip"),
    case("08_msmarco_triples/triples.tsv", 11, ["column 'positive'", r"\(line 6\)"],
         bad_rows="skip", negative_column="negative"),
    case("09_blank_after_comma/faq.csv", 12),
    case("09_blank_after_comma/faq2.csv", 12),
    case("10_cr_only/faq.csv", 12),
    case("10_cr_only/faq.jsonl", 12),
    case("11_header_spelling/faq.csv", 12),
    case("12_encode_empty_cell/faq.csv", "line 5: the column 'answer' is empty"),
    case("12_encode_empty_cell/faq.csv", 11, ["1 of 12 rows are left out"], bad_rows="skip"),
    case("13_gzip/pairs.jsonl.gz", 12),
    case("13_gzip/pairs.tsv.gz", 12),
    case("14_json_by_columns/lists.json", 12, ["laid out as columns"]),
    case("14_json_by_columns/pandas.json", 12, ["laid out as columns"]),
    case("15_squad/hub.jsonl", 12, ["'answer' is the column 'answers'"]),
    case("15_squad/train-v2.json", 12, ["laid out as SQuAD"]),
    case("16_several_answers/nq.jsonl", 24),
    case("16_several_answers/nq.tsv", 24, ["lists printed as text"], first=(QUESTION.lower(), ANSWER)),
    case("17_llamaindex_qa/train_dataset.json", 12, ["laid out as queries and corpus"]),
    case("18_pos_neg_lists/bare.jsonl", 12),
    case("18_pos_neg_lists/flag.jsonl", 12, ["'answer' is the column 'pos'", "'neg' is not used"]),
    case("18_pos_neg_lists/flag.jsonl", 12, ["'answer' is the column 'pos'"], negative_column="neg"),
    case("29_instructions/alpaca.json", 12, ["'answer' is the column 'output'"]),
    case("49_labels_ignored/quora.csv", 16, ["'question1'", "8 of 16 pairs are marked as wrong"],
         first=(QUESTION, "Two years from the date of purchase.")),
    case("49_labels_ignored/quora.csv", 8, ["'question1'", "8 of 16 rows"], label_column="is_duplicate", **HALF),
    case("49_labels_ignored/triplets.csv", 16, ["'positive'", "'negative' is not used"]),
    case("49_labels_ignored/triplets.csv", 16, ["'positive'"], negative_column="negative"),
    case("53_nan_words/faq.csv", 16, ["6 of 16 texts .* look like words for a missing value"]),
    case("53_nan_words/faq.csv", 10, ["6 of 16 rows are left out"], missing=["nan", "n/a"], bad_rows="skip"),
    case("55_limit_of_own_file/faq.csv", 10, limit=10),
    case("57_pretty_and_wrapped_json/jq.json", 12),
    case("57_pretty_and_wrapped_json/wrapped.json", 12),
]  # fmt: skip
GREETED = {"first": (f"Hello, {QUESTION}", ANSWER)}
CHATS = [  # pairs: a turn with the one before it
    case("19_openai_tool_calls/chats.jsonl", 8 * 1 + 8 * 3, ["24 of 72 turns"]),
    case("19_openai_tool_calls/chats.jsonl", 8 * 1 + 8 * 2, ["24 of 72 turns"], answer_role="assistant"),
    case("20_openai_tool_empty_string/chats.jsonl", 16 * 3, ["48 of 112 turns"]),
    case("21_openai_content_parts/chats.jsonl", 12),
    case("22_sharegpt/sharegpt.json", 16 * 3),
    case("22_sharegpt/sharegpt.json", 16 * 3, content="conversations", messages_column="conversations"),
    case("22_sharegpt/sharegpt_tools.json", 16 * 3, ["12 of 76 turns are left out: a tool's call or result"]),
    case("23_same_role_twice/chats.jsonl", 16 * 3, first=(f"Hello there\n{QUESTION}", f"{ANSWER}\nAnything else?")),
    case("24_telegram_chat/result.json", 16, ["one chat, divided into 16", "5 of 37 turns are left out"], **GREETED),
    case("24_telegram_chat/result.json", 16, ["5 of 37 turns are left out"], pause_hours=6, **GREETED),
    case("25_telegram_all/result.json", 3 * 31, ["15 of 111 turns are left out"], **GREETED),
    case("27_whatsapp_txt/_chat.txt", 16, ["one chat, divided into 16", "2 of 34 turns"],
         first=(QUESTION, f"{ANSWER}\nSecond line of the same message.")),
    case("27_whatsapp_txt/_chat.txt", 32, ["one chat, divided into 16", "2 of 34 turns"], mode="autoencoder",
         first=(QUESTION, QUESTION)),
    case("27_whatsapp_txt/_chat.txt", "34 of 50 lines look like lines of a chat", mode="autoencoder", content="texts"),
    case("28_chatgpt_export/conversations.json", 12, ["12 of 36 turns are left out"]),
    case("29_instructions/hh.jsonl", 12, ["12 of 36 turns are left out: an answer that is marked as rejected"]),
]  # fmt: skip
SENTENCES = [
    case("07_tsv_no_header/pairs.txt", 12, ["12 of 12 lines look like cells"], first=[f"{QUESTION}\t{ANSWER}"] * 2),
    case("07_tsv_no_header/pairs.txt", 12, ["without a header"], first=[ANSWER] * 2, text_column=1),
    case("10_cr_only/faq.txt", 16, first=[QUESTION] * 2),
    case("16_several_answers/nq.tsv", "12 of 12 texts .* look like lists printed as text", text_column="answer"),
]
NOTES, NO_TEXTS, EMPTY = {"first": (NOTE, NOTE)}, {"first": None}, "line 4: a vector that cannot be used"
VECTORS = [
    *(case(name, 40, **NOTES) for name in (
        "30_openai_csv/ada.csv", "30_openai_csv/embedded.csv", "31_numpy_repr_csv/np.csv",
        "31_numpy_repr_csv/array.csv", "33_base64/b64.jsonl", "38_parquet_vectors/list32.parquet",
        "39_pt_pkl_npz/both.npz",
    )),
    *(case(name, 40, **NO_TEXTS) for name in (
        "32_number_columns/cols.csv", "32_number_columns/savetxt.csv", "32_number_columns/vectors.tsv",
        "34_api_response/batch_output.jsonl", "36_npy_kinds/f16.npy", "36_npy_kinds/f64.npy", "36_npy_kinds/big.npy",
        "36_npy_kinds/fortran.npy", "38_parquet_vectors/fixed.parquet", "38_parquet_vectors/half.parquet",
        "38_parquet_vectors/strings.parquet", "38_parquet_vectors/blob.parquet", "39_pt_pkl_npz/emb.pt",
    )),
    case("31_numpy_repr_csv/cut.csv", r"numbers that were cut to '...' when they were printed, and are lost"),
    case("36_npy_kinds/one.npy", r"One vector trains nothing: np\.save"),
    case("36_npy_kinds/three.npy", r"shape \(40, 1, 16\); .*array\.squeeze\(1\)"),
    case("36_npy_kinds/objects.npy", r"an array of Python objects, .* Leave out what is no vector"),
    case("37_packed_bits/binary.npy", "eight signs packed into each"),
    case("37_packed_bits/ubinary.npy", "eight signs packed into each"),
    case("38_parquet_vectors/holes.parquet", "row 6: the column 'embedding' holds null"),
    case("38_parquet_vectors/holes.parquet", 38, ["2 of 40 rows are left out"], bad_rows="skip", **NO_TEXTS),
    case("39_pt_pkl_npz/emb.pkl", "a pickle runs code when it is opened"),
    case("39_pt_pkl_npz/emb.h5", "import h5py, numpy"),
    case("41_nan_zero_vectors/e.jsonl", EMPTY),
    case("41_nan_zero_vectors/e.jsonl", 38, ["2 of 40 rows are left out"], bad_rows="skip", **NO_TEXTS),
    case("42_texts_with_vectors/corpus.jsonl", "it is not clear which column holds the vectors"),
    case("42_texts_with_vectors/corpus.jsonl", 16, first=(ANSWER, ANSWER), vector_column="answer"),
    case(["40_two_files/queries.npy", "40_two_files/documents.npy"], "in dialogue mode two, those of the questions"),
    *(case(f"54_other_widths/v{dim}.jsonl", 4, first=(QUESTION, QUESTION)) for dim in (1021, 1536, 3072)),
]  # fmt: skip
SIDES = [  # vectors of questions and of answers
    case(["40_two_files/queries.npy", "40_two_files/documents.npy"], 20, **NO_TEXTS),
    case("40_two_files/narrow.npz", 20, **NO_TEXTS),
    case("42_texts_with_vectors/corpus.jsonl", 16),
    case("30_openai_csv/embedded.csv", "there is no column 'question'. .* for pairs data.question_column and"),
]
for parameters in (SENTENCES, VECTORS):
    parameters[:] = [pytest.param("autoencoder", *some.values[1:], id=some.id) for some in parameters]


@pytest.mark.parametrize(
    ("mode", "files", "data", "expected", "first", "told"), [*PAIRS, *CHATS, *SENTENCES, *VECTORS, *SIDES]
)
def test_a_file_as_it_is_gives_what_its_user_expects(mode, files, data, expected, first, told):
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            load_dataset(configured(mode, files, data), TeacherEncoder(letters))
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = load_dataset(configured(mode, files, data), TeacherEncoder(letters))
    assert type(dataset) is (DialogueDataset if mode == "dialogue" else AutoencoderDataset)
    assert len(dataset) == expected
    if first is None:
        assert dataset.input_texts is None
    else:
        assert (dataset.input_texts[0], dataset.target_texts[0]) == tuple(first)
    messages = list(dict.fromkeys(str(warning.message) for warning in caught))
    assert [bool(re.search(text, message)) for text, message in zip(told, messages, strict=True)] == [True] * len(told)


def test_every_width_gets_a_cube_and_two_widths_one_with_both():
    for dim in (1021, 1536, 3072):
        config = configured("autoencoder", f"54_other_widths/v{dim}.jsonl", {})
        trainer = CubeTrainer(config)
        trainer.initialize_components()
        assert trainer.predict(load_dataset(config, TeacherEncoder(letters)).input[:2]).shape == (2, dim)
    config = configured("dialogue", "40_two_files/narrow.npz", {})
    assert (config.embedding_dim, config.target_dim) == (16, 12)


def test_a_help_desk_chooses_what_is_tested():
    faq, yes_no = "43_faq_many_questions/faq.csv", "43_faq_many_questions/yesno.csv"
    encoder = TeacherEncoder(letters)
    with pytest.warns(UserWarning, match="72 questions share 12 answers.*data.split: new_questions"):
        split = load_splits(configured("dialogue", faq, {}), encoder)["dialogue"]
    assert not set(split.test.target_texts) & set(split.train.target_texts)
    with pytest.warns(UserWarning), pytest.raises(DataError, match=r"72 pairs share 2 answers.*data\.split: new_q"):
        load_splits(configured("dialogue", yes_no, {}), encoder)
    for name in (faq, yes_no):
        split = load_splits(configured("dialogue", name, {"split": "new_questions"}), encoder)["dialogue"]
        assert set(split.test.target_texts) <= set(split.train.target_texts)
        assert not set(split.test.input_texts) & set(split.train.input_texts)


def test_the_same_answer_to_another_question_is_no_wrong_answer():
    """Six questions with one answer in a batch; what the loss is then, beside one of six answers."""
    dataset = load_dataset(configured("dialogue", "43_faq_many_questions/faq.csv", {}), TeacherEncoder(letters))
    answers = dict(zip(dataset.target_texts, dataset.target[:], strict=True))
    same, different = next(iter(answers.values())).repeat(6, 1), torch.stack([*answers.values()][:6])
    for loss in (contrastive, contrastive_cosine):
        assert loss(same, same).item() < 1e-6
        assert loss(same, different).item() > 0.5


# --- with a real, very small teacher ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.mark.filterwarnings("ignore::cubelib.encoders.encoder.TruncationWarning")
def test_prompts_and_the_length_that_is_read_are_part_of_the_cache_s_key(tiny, tmp_path):
    """One cache for all of them; each gives what it gives with a cache of its own."""
    short = shutil.copytree(tiny, tmp_path / "short")
    settings = short / "sentence_bert_config.json"
    settings.write_text(settings.read_text().replace("16", "8"))
    found = []
    for teacher in ({"teacher": tiny}, {"teacher": short}, {"teacher": tiny, "query_prompt": "red "},
                    {"teacher": tiny, "document_prompt": "blue "}):  # fmt: skip
        both = []
        for cache in ("shared", f"own {len(found)}"):
            config = configured("dialogue", "55_limit_of_own_file/faq.csv", {**teacher, "cache_dir": tmp_path / cache})
            config = config.model_copy(update={"embedding_dim": 12})
            both.append(load_dataset(config, make_encoder(config.data)))
        assert both[0].input[:].equal(both[1].input[:]) and both[0].target[:].equal(both[1].target[:])
        found.append(both[0])
    plain, shorter, asked, answered = found
    assert not torch.allclose(shorter.target[:], plain.target[:], atol=1e-3)
    assert asked.target[:].equal(plain.target[:]) and not torch.allclose(asked.input[:], plain.input[:], atol=1e-3)
    assert answered.input[:].equal(plain.input[:])
    assert not torch.allclose(answered.target[:], plain.target[:], atol=1e-3)


@pytest.fixture
def project(tiny, tmp_path, monkeypatch) -> list[str]:
    """The command that trains on the user's own file, named relative to the folder it is started in."""
    folder = tmp_path / "project"
    shutil.copytree(FOLDER / "55_limit_of_own_file", folder)
    cube = "mode: dialogue, embedding_dim: auto, lattice_size: [3, 2, 2], epochs: 2, batch_size: 4"
    data = f"file: faq.csv, teacher: {tiny}, cache_dir: {tmp_path / 'cache'}, near_copy: 1"
    (folder / "job.yaml").write_text(f"cube_training: {{{cube}, data: {{{data}}}}}")
    monkeypatch.chdir(folder)
    return ["train", "job.yaml"]


def test_a_try_on_a_few_rows_is_used_from_anywhere_and_after_its_data_moved(project, tmp_path, monkeypatch, capsys):
    assert main([*project, "--data.limit", "10", "--save-interval", "1"]) == 0
    assert re.search(r"Only\s+the\s+first\s+10\s+items", capsys.readouterr().out)
    monkeypatch.chdir(tmp_path)
    run = Path("project/runs/dialogue-001")
    moved = []
    for epochs in (3, 4, 5):  # elsewhere; the folder moved as a whole; the data moved alone
        assert main(["ask", str(run), QUESTION, *moved]) == 0
        assert ANSWER in capsys.readouterr().out
        assert main(["evaluate", str(run), "--baselines", "none", *moved]) == 0
        longer = ["--epochs", str(epochs), "--early-stopping-patience", "99"]
        assert main(["train", "--resume", str(run), *longer, *moved]) == 0
        if epochs == 3:
            run = Path("project").rename("moved") / "runs/dialogue-001"
        elif epochs == 4:
            moved = ["--data.file", str(Path("moved/faq.csv").rename("new.csv"))]


def test_rows_left_out_of_one_column_are_left_out_of_the_other(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path))
    words = ["encode", str(FOLDER / "12_encode_empty_cell/faq.csv"), "--columns", "question,answer"]
    words += ["--teacher", str(tiny), "--out", str(tmp_path / "faq.safetensors")]
    assert main(words) == 2
    assert "--bad-rows skip" in capsys.readouterr().err
    assert main([*words, "--bad-rows", "skip"]) == 0
    assert "question (11, 12), answer (11, 12) float32" in capsys.readouterr().out


def test_vectors_with_texts_are_asked_and_exported(tmp_path, monkeypatch, capsys):
    corpus = FOLDER / "42_texts_with_vectors/corpus.jsonl"
    (tmp_path / "job.yaml").write_text(
        "cube_training: {mode: dialogue, embedding_dim: auto, lattice_size: [3, 2, 2], epochs: 1, batch_size: 4, "
        f"data: {{file: {corpus}, near_copy: 1}}}}"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["train", "job.yaml"]) == 0
    assert "found first: “" in Path("runs/dialogue-001/report/report.md").read_text(encoding="utf-8")
    capsys.readouterr()
    np.save("question.npy", np.random.default_rng(0).normal(size=16))
    assert main(["ask", "runs/dialogue-001", "question.npy", "--k", "16"]) == 0
    assert ANSWER in capsys.readouterr().out
    assert main(["ask", "runs/dialogue-001", QUESTION]) == 2
    assert "Name it with --teacher MODEL, or give as question a .npy file" in capsys.readouterr().err
    pytest.importorskip("onnxscript")
    assert main(["export", "runs/dialogue-001", "--to", "cube.onnx"]) == 0
    assert Path("cube.onnx").is_file()


def test_a_learning_rate_far_too_large_is_one_sentence(project, capsys):
    assert main([*project, "--learning-rate", "1e30"]) == 1
    told = capsys.readouterr().err
    assert re.search(r"in epoch 1 at (batch \d+ of \d+|its last).* with learning_rate 1e\+30\. The weights of", told)
    assert main([*project, "--learning-rate", "100"]) in (0, 1)
