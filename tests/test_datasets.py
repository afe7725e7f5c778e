"""Data sets: counted against their index, downloaded from a server on this machine, and made up."""

import gzip
import hashlib
import inspect
import io
import json
import logging
import re
import threading
import zipfile
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from seqtag import datasets
from seqtag.data import schemes
from seqtag.data.catalogue import DATASETS, File
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.download import files_of
from seqtag.data.readers import read_conll
from seqtag.errors import ConfigError, DataError, ParameterError

FETCHED = [name for name in DATASETS.names() if DATASETS[name].files]
BIG = {"ud_english_ewt", "nsmc", "ptb"}


# --- the catalogue --------------------------------------------------------------------------------------------


def test_every_data_set_has_a_function_and_every_function_a_data_set():
    functions = {name.partition("_")[2]: name for name in datasets.__all__ if name.split("_")[0] in ("fetch", "make")}
    assert functions.pop("glove") == "fetch_glove"  # word vectors, see test_embeddings.py
    assert set(functions) | {"python_code", "python_text", "digits"} == set(DATASETS.names())
    assert all(name.startswith("fetch_") == (short in FETCHED) for short, name in functions.items())
    assert list(datasets._LOADERS) == list(DATASETS.names())


def test_all_options_are_keyword_only_and_have_a_default():
    for loader in datasets._LOADERS.values():
        for option in inspect.signature(loader).parameters.values():
            assert option.kind is option.KEYWORD_ONLY and option.default is not option.empty


@pytest.mark.parametrize("name", FETCHED)
def test_addresses_are_fixed_and_files_are_named_once(name):
    about = DATASETS[name]
    assert len(about.revision) == 40 and len({file.path for file in about.files}) == len(about.files)
    for file in about.files:
        assert file.address.startswith("https://raw.githubusercontent.com/") and f"/{about.revision}/" in file.address
        assert file.split in ("train", "dev", "test", "all") and len(file.sha256) == 64
    assert about.licence_stated == ("not stated" not in about.licence)


@pytest.mark.parametrize("name", FETCHED)
def test_the_catalogue_agrees_with_the_index_of_the_folder(name, shared_data):
    index = json.loads((shared_data / "index.json").read_text(encoding="utf-8"))
    known = {f["path"].removesuffix(".gz"): f for one in index["datasets"] for f in one["files"]}
    splits = {"valid": "dev"}
    for file in DATASETS[name].files:
        entry = known[file.path]
        assert file.sha256 == entry.get("uncompressed_sha256", entry["sha256"])
        assert file.split == splits.get(entry["split"], entry["split"])


def test_describe_shows_licence_citation_source_and_options():
    text = datasets.describe("trec")
    assert text.splitlines()[0] == "trec: TREC question classification"
    assert "not stated for the data in the source" in text and "Li, Roth (2002)" in text
    assert "https://github.com/harvardnlp/sent-conv-torch" in text and "fine=False" in text
    assert "options" not in datasets.describe("sst2")
    assert "tokens=200000" in datasets.describe("python_code")


# --- every set against its published counts -------------------------------------------------------------------

MEASURES = {
    "sentences": len,
    "utterances": len,
    "documents": len,
    "lines": len,
    "words": lambda corpus: corpus.n_tokens,
    # The index splits at every white space, the readers not at U+00A0, which three sentences of SST-2 hold.
    "tokens": lambda corpus: sum(len(s.text.split()) if s.text else len(s) for s in corpus),
    "whitespace_tokens": lambda corpus: corpus.n_tokens,
    "upos": lambda corpus: len(corpus.describe()["labels"]),
    "tag_labels": lambda corpus: len(corpus.describe()["labels"]),
    "slot_labels": lambda corpus: len(corpus.describe()["labels"]),
    "spans": lambda corpus: sum(label.startswith("B-") for labels in corpus.labels for label in labels),
    "slots": lambda corpus: sum(label.startswith("B-") for labels in corpus.labels for label in labels),
    "intents": lambda corpus: len(corpus.describe()["classes"]),
    "classes": lambda corpus: corpus.describe()["classes"],
    "coarse_classes": lambda corpus: corpus.describe()["classes"],
    "vocabulary": lambda corpus: corpus.describe()["distinct_tokens"],
    "longest_sentence": lambda corpus: corpus.describe()["longest"],
    "unk": lambda corpus: sum(tokens.count("<unk>") for tokens in corpus.tokens),
    "empty_documents": lambda corpus: corpus.describe()["empty"],
    "distinct_documents": lambda corpus: len({sequence.text for sequence in corpus}),
    "longest_in_characters": lambda corpus: max(len(sequence.text) for sequence in corpus),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in BIG else n for n in FETCHED if n != "tiny_shakespeare"],
)
def test_counts_are_the_published_ones(name, shared_data, monkeypatch):
    monkeypatch.setenv("SEQTAG_DATA", str(shared_data))
    index = json.loads((shared_data / "index.json").read_text(encoding="utf-8"))
    folder = DATASETS[name].files[0].path.partition("/")[0]
    counts = next(one["counts"] for one in index["datasets"] if one["directory"] == folder)
    corpora = datasets.load(name)
    assert list(corpora) == [{"valid": "dev"}.get(split, split) for split in counts]
    for (split, corpus), published in zip(corpora.items(), counts.values(), strict=True):
        assert corpus.name == f"{name} {split}"
        expected = {what: count for what, count in published.items() if what in MEASURES}
        assert {what: MEASURES[what](corpus) for what in expected} == expected
        assert len(expected) >= 2


def test_options_of_the_fetched_sets(shared_data, monkeypatch):
    monkeypatch.setenv("SEQTAG_DATA", str(shared_data))
    korean = datasets.load("ud_korean_gsd", {"label": "xpos", "columns": ["lemma"]})
    assert len(korean["dev"].describe()["labels"]) == 534 and korean["test"].describe()["columns"] == ["lemma"]
    fine = datasets.fetch_trec(fine=True)
    assert len(fine["train"].describe()["classes"]) == 50 and fine["train"][0].label == "DESC:manner"
    assert datasets.fetch_conll2000()["train"][0].columns["pos"][:3] == ("NN", "IN", "DT")
    with pytest.raises(ConfigError, match="Did you mean 'upos'"):
        datasets.fetch_ud_korean_gsd(label="upps")


def test_tiny_shakespeare_is_cut_at_nine_tenths_of_its_characters(shared_data, monkeypatch):
    monkeypatch.setenv("SEQTAG_DATA", str(shared_data))
    parts = datasets.fetch_tiny_shakespeare()
    texts = {split: "".join(f"{line.text}\n" for line in corpus) for split, corpus in parts.items()}
    whole = gzip.decompress((shared_data / "tinyshakespeare" / "input.txt.gz").read_bytes()).decode()
    assert texts["train"] + texts["test"] == whole and len(parts["train"]) + len(parts["test"]) == 40000
    assert 0 <= 0.9 * len(whole) - len(texts["train"]) < 100
    assert parts["train"].name == "tiny_shakespeare train"


# --- files: found, checked, downloaded ------------------------------------------------------------------------

TRAIN = b"Ada\tB-person\nsat\tO\n\t\nOslo\tB-location\n"
DEV = b"#new\tO\n"


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine: ``pages`` is what it serves, ``asked`` the paths it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            content = self.server.pages.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.pages, running.asked = {"/train": TRAIN, "/dev": DEV}, []
        running.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("SEQTAG_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "seqtag"


def small_set(url, monkeypatch, **changes):
    """Put a small WNUT-17 of one's own in the place of the real one."""
    files = (
        File("wnut17/a.conll", "train", digest(TRAIN), f"{url}/train"),
        File("wnut17/b.conll", "dev", digest(DEV), f"{url}/dev"),
    )
    changed = replace(DATASETS["wnut17"], **{"files": files, **changes})
    monkeypatch.setitem(DATASETS._entries, "wnut17", changed)
    return changed


def test_a_set_is_downloaded_once_and_then_read_from_the_cache(server, cache, monkeypatch, caplog):
    small_set(server.url, monkeypatch)
    first = datasets.fetch_wnut17()
    assert first["train"].tokens == [["Ada", "sat"], ["Oslo"]] and first["dev"].labels == [["O"]]
    assert (cache / "wnut17" / "a.conll").read_bytes() == TRAIN
    assert datasets.fetch_wnut17() == first
    assert server.asked == ["/train", "/dev"]
    assert [r for r in caplog.records if r.name == "seqtag"] == []


def test_a_broken_file_in_the_cache_is_downloaded_again(server, cache, monkeypatch):
    small_set(server.url, monkeypatch)
    datasets.fetch_wnut17()
    (cache / "wnut17" / "b.conll").write_bytes(DEV[:3])
    assert datasets.fetch_wnut17()["dev"].tokens == [["#new"]]
    assert server.asked == ["/train", "/dev", "/dev"]


def test_a_download_without_a_stated_licence_is_announced_once(server, monkeypatch, caplog):
    small_set(server.url, monkeypatch, licence_stated=False, licence="not stated: research use")
    with caplog.at_level(logging.WARNING, logger="seqtag"):
        datasets.fetch_wnut17()
        datasets.fetch_wnut17()
    (notice,) = [r.getMessage() for r in caplog.records if r.name == "seqtag"]
    assert "not stated: research use" in notice and "Derczynski" in notice


def test_a_download_with_another_content_is_refused(server, cache, monkeypatch):
    small_set(server.url, monkeypatch)
    server.pages["/train"] = b"something else"
    with pytest.raises(DataError) as caught:
        datasets.fetch_wnut17()
    message = str(caught.value)
    assert f"{server.url}/train" in message and "SEQTAG_DATA" in message
    assert digest(TRAIN) in message and digest(b"something else") in message
    assert not list(cache.rglob("*.conll"))


def test_a_missing_page_is_an_error_that_says_how_to_go_on(server, monkeypatch):
    small_set(server.url, monkeypatch)
    del server.pages["/dev"]
    with pytest.raises(DataError, match=r"/dev must be reachable and hold wnut17/b.conll .* 404 .* set SEQTAG_DATA"):
        datasets.fetch_wnut17()


def test_a_server_that_is_not_there_is_an_error_that_says_how_to_go_on(server, monkeypatch):
    small_set("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(DataError, match=r"^http://127.0.0.1:9/train must be reachable .*refused.* set SEQTAG_DATA"):
        datasets.fetch_wnut17()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"folder/{name}", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (zipped(train=TRAIN, other=b""), None),
        (zipped(train=b"something else"), digest(b"something else")),
        (zipped(other=TRAIN), "an archive without train"),
        (b"no archive", "not a zip file"),
    ],
)
def test_a_member_of_an_archive_is_checked_by_its_own_hash(server, cache, monkeypatch, archive, reason):
    server.pages["/all.zip"] = archive
    one = File("wnut17/train", "train", digest(TRAIN), f"{server.url}/all.zip", "train")
    about = small_set(server.url, monkeypatch, files=(one,))
    if reason is None:
        assert files_of(about) == {"train": [cache / "wnut17" / "train"]}
        assert (cache / "wnut17" / "train").read_bytes() == TRAIN
    else:
        with pytest.raises(DataError, match=reason):
            files_of(about)


def local_folder(root, train, dev):
    (root / "wnut17").mkdir(parents=True)
    (root / "wnut17" / "a.conll").write_bytes(train)
    (root / "wnut17" / "b.conll.gz").write_bytes(gzip.compress(dev, mtime=0))
    return root


def test_a_local_folder_comes_first_packed_or_not(server, tmp_path, monkeypatch):
    small_set(server.url, monkeypatch)
    monkeypatch.setenv("SEQTAG_DATA", str(local_folder(tmp_path / "mine", TRAIN, DEV)))
    corpora = datasets.fetch_wnut17()
    assert [corpora["train"].n_tokens, corpora["dev"].n_tokens] == [3, 1]
    assert server.asked == []


def test_what_a_local_folder_lacks_is_downloaded(server, tmp_path, monkeypatch):
    small_set(server.url, monkeypatch)
    folder = local_folder(tmp_path / "mine", TRAIN, DEV)
    (folder / "wnut17" / "a.conll").unlink()
    monkeypatch.setenv("SEQTAG_DATA", str(folder))
    assert datasets.fetch_wnut17()["train"].n_tokens == 3
    assert server.asked == ["/train"]


@pytest.mark.parametrize("which", ["a.conll", "b.conll.gz"])
def test_a_local_file_with_another_content_is_refused(server, tmp_path, monkeypatch, which):
    small_set(server.url, monkeypatch)
    wrong = b"wrong\tO\n"
    contents = (wrong, DEV) if which == "a.conll" else (TRAIN, wrong)
    monkeypatch.setenv("SEQTAG_DATA", str(local_folder(tmp_path / "mine", *contents)))
    with pytest.raises(DataError) as caught:
        datasets.fetch_wnut17()
    message = str(caught.value)
    assert which in message and digest(wrong) in message
    assert digest(TRAIN if which == "a.conll" else DEV) in message


def test_a_local_archive_that_is_cut_off_is_refused(server, tmp_path, monkeypatch):
    small_set(server.url, monkeypatch)
    folder = local_folder(tmp_path / "mine", TRAIN, DEV)
    (folder / "wnut17" / "b.conll.gz").write_bytes(gzip.compress(DEV, mtime=0)[:-6])
    monkeypatch.setenv("SEQTAG_DATA", str(folder))
    with pytest.raises(DataError, match=r"b\.conll\.gz: the file must be readable, and whole"):
        datasets.fetch_wnut17()


def test_a_local_folder_that_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQTAG_DATA", str(tmp_path / "typo"))
    with pytest.raises(DataError, match=r"SEQTAG_DATA must name a folder; got .*typo"):
        datasets.fetch_sst2()


# --- by name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("conll200", None, r"data set must be one of .*; got 'conll200'\. Did you mean 'conll2000'\?"),
        ("tagging", {"sequence": 3}, r"options of data set 'tagging' .*; got 'sequence'\. Did you mean 'sequences'\?"),
        ("sst2", {"fine": True}, r"options of data set 'sst2' must be among none at all; got 'fine'\."),
        ("trec", {"fine": "yes"}, r"fine must be true or false; got 'yes'\."),
        ("tagging", {"sequences": 0}, r"sequences must be an int of at least 1; got 0\."),
        ("tagging", {"vocabulary": 3}, r"vocabulary must be an int of at least 4; got 3\."),
        ("commands", {"vocabulary": 0}, r"vocabulary must be an int of at least 1; got 0\."),
        ("tagging", {"random_state": None}, r"random_state must be an int of at least 0; got None\."),
        ("signals", {"feature": 3}, r"must be among .*; got 'feature'\. Did you mean 'features'\?"),
        ("signals", {"missing": 1.0}, r"missing must be a number of at least 0 and less than 1; got 1\.0\."),
        ("signals", {"missing": True}, r"missing must be a number of at least 0 and less than 1; got True\."),
        ("signals", {"features": 0}, r"features must be an int of at least 1; got 0\."),
        ("memory", {"task": "recal"}, r"task must be one of recall, copy, adding; got 'recal'\. Did you mean 'recall'"),
        ("memory", {"task": ["copy"]}, r"task must be one of recall, copy, adding; got \['copy'\]\."),
        ("memory", {"lag": 0}, r"lag must be an int of at least 1; got 0\."),
        ("memory", {"sequences": 1.5}, r"sequences must be an int of at least 1; got 1\.5\."),
        ("logs", {"anomalies": 0}, r"anomalies must be a share above 0 and below 1; got 0\."),
        ("logs", {"anomalies": True}, r"anomalies must be a share above 0 and below 1; got True\."),
        ("logs", {"sequences": 0}, r"sequences must be an int of at least 1; got 0\."),
        ("digits", {"size": 3}, r"options of data set 'digits' must be among none at all; got 'size'\."),
        ("python_code", {"tokens": 10}, r"tokens must be an int of at least 1000, or None; got 10\."),
        ("python_code", {"tokens": True}, r"tokens must be an int of at least 1000, or None; got True\."),
        ("python_text", {"characters": 10}, r"characters must be an int of at least 10000, or None; got 10\."),
        ("python_text", {"part": "sorce"}, r"part must be one of source, docstrings; got 'sorce'\. Did you mean"),
    ],
)
def test_wrong_names_and_options_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        datasets.load(name, options)


def test_load_passes_options_on():
    assert datasets.load("tagging", {"sequences": 8}) == datasets.make_tagging(sequences=8)


# --- generated ------------------------------------------------------------------------------------------------


def test_what_slot_a_word_of_a_command_fills_only_the_command_tells():
    corpora = datasets.make_commands(sequences=400, vocabulary=20)
    assert {split: len(corpus) for split, corpus in corpora.items()} == {"train": 400, "dev": 100, "test": 100}
    assert corpora == datasets.make_commands(sequences=400, vocabulary=20)
    assert corpora["train"] != datasets.make_commands(sequences=400, vocabulary=20, random_state=1)["train"]
    fills, slots = {}, {}
    for one in corpora["train"]:
        assert not schemes.problems(one.labels, "iob2")
        slots.setdefault(one.label, set()).update(span.label for span in schemes.spans(one.labels, "iob2"))
        for token, label in zip(one.tokens, one.labels, strict=True):
            fills.setdefault(token, set()).add(label[2:])
    assert slots == {
        "play": {"artist", "time"},
        "weather": {"place", "time"},
        "call": {"person", "time"},
        "meet": {"person", "place", "time"},
        "alarm": {"time"},
    }
    names = [token for token, found in fills.items() if "artist" in found]
    assert len(names) == 20 and all({"artist", "place", "person"} <= fills[name] for name in names)


def kind_by_neighbours(tokens, i, names):
    """What the task's own rule says of a word: an oracle that reads left and right."""
    start = end = i
    while start and tokens[start - 1] in names:
        start -= 1
    while end + 1 < len(tokens) and tokens[end + 1] in names:
        end += 1
    title, company = start and tokens[start - 1] == "mr", end + 1 < len(tokens) and tokens[end + 1] == "ltd"
    kind = {(True, False): "PER", (False, True): "LOC", (True, True): "ORG"}.get((bool(title), bool(company)))
    return f"{'B' if i == start else 'I'}-{kind}" if kind and tokens[i] in names else "O"


def test_generated_names_follow_from_both_neighbours_and_from_no_word_alone():
    corpus = datasets.make_tagging()["train"]
    seen = {}
    for sequence in corpus:
        for token, label in zip(sequence.tokens, sequence.labels, strict=True):
            seen.setdefault(token, set()).add(label)
    names = {token for token, labels in seen.items() if labels != {"O"}}
    assert len(names) == 30 and all(len(seen[token]) >= 5 for token in names)
    for sequence in corpus:
        told = [kind_by_neighbours(sequence.tokens, i, names) for i in range(len(sequence))]
        assert told == list(sequence.labels)


def test_generated_corpora_have_classes_sizes_and_are_repeatable():
    made = datasets.make_tagging(sequences=40, vocabulary=200, random_state=3)
    assert {split: len(corpus) for split, corpus in made.items()} == {"train": 40, "dev": 10, "test": 10}
    assert set(made["train"].describe()["classes"]) == {"PER", "LOC", "ORG", "none"}
    assert made == datasets.make_tagging(sequences=40, vocabulary=200, random_state=3)
    assert made != datasets.make_tagging(sequences=40, vocabulary=200, random_state=4)
    assert made["dev"][0] != made["test"][0]
    assert {s: len(c) for s, c in datasets.make_tagging(sequences=1, vocabulary=4).items()} == dict.fromkeys(made, 1)
    pinned = "4b55845303a4038e3fb56148b3b6c171a8d9e21aa7e6d4a982559761cb022c62"
    assert datasets.corpus_digest(datasets.make_tagging()) == pinned


def test_log_lines_are_normal_in_training_and_anomalous_in_some_way_otherwise():
    logs = datasets.make_logs(sequences=1200, anomalies=0.3)
    assert {split: len(corpus) for split, corpus in logs.items()} == {"train": 1200, "dev": 300, "test": 300}
    assert logs == datasets.make_logs(sequences=1200, anomalies=0.3)
    assert logs["train"] != datasets.make_logs(sequences=1200, anomalies=0.3, random_state=1)["train"]
    assert {line.label for line in logs["train"]} == {"normal"}
    kinds = Counter(line.label for line in [*logs["dev"], *logs["test"]])
    assert set(kinds) == {"normal", "attack", "failure", "garbled", "cut", "combination", "number"}
    assert 0.2 < 1 - kinds["normal"] / 600 < 0.4
    for line in logs["train"]:
        assert tuple(line.text[start:end] for start, end in line.offsets) == line.tokens == tuple(line.text.split())


def test_each_kind_of_anomaly_breaks_what_normal_lines_keep():
    lines = [line for corpus in datasets.make_logs(sequences=1200, anomalies=0.4).values() for line in corpus]
    took = {line.label: [] for line in lines}
    requests = {line.label: set() for line in lines}
    for line in lines:
        if found := re.search(r'"(\w+) (/[^" ]*)".* (\d+)ms$', line.text):
            path = re.sub(r"(?<=/)\d+$|(?<=app\.)[0-9a-f]{8}", "#", found[2])
            requests[line.label].add((found[1], path))
            took[line.label].append(int(found[3]))
    assert max(took["normal"]) < 400 <= min(took["number"])
    assert requests["number"] <= requests["normal"]
    assert not requests["combination"] & requests["normal"]
    assert {path for _, path in requests["combination"]} <= {path for _, path in requests["normal"]}
    parts = {word for line in lines if line.label == "normal" for word in line.tokens}
    assert all(line.tokens[1] not in parts for line in lines if line.label == "failure" and "kernel" in line.text)


# --- Python's own code ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def code():
    return datasets.load_python_code(tokens=30_000)


def test_python_code_has_three_parts_of_the_sizes_asked_for(code):
    assert list(code) == ["train", "dev", "test"]
    assert 30_000 - 150 <= code["train"].n_tokens <= 30_000
    for split in ("dev", "test"):
        assert 4000 - 150 <= code[split].n_tokens <= 4000
    assert {corpus.name for corpus in code.values()} == {"python_code train", "python_code dev", "python_code test"}


def test_parts_of_python_code_share_no_module(code):
    modules = [{sequence.group for sequence in corpus} for corpus in code.values()]
    assert sum(map(len, modules)) == len(set.union(*modules)) and min(map(len, modules)) >= 12


def test_python_code_is_labelled_with_known_roles_and_short_sequences(code):
    labels = Counter(label for corpus in code.values() for labels in corpus.labels for label in labels)
    assert set(labels) <= set(datasets.ROLES) and len(labels) >= 25
    assert all(1 <= len(sequence) <= 150 for corpus in code.values() for sequence in corpus)


def test_python_code_survives_a_column_file(code, tmp_path):
    corpus = code["dev"]
    lines = ["".join(f"{word} {role}\n" for word, role in zip(s.tokens, s.labels, strict=True)) for s in corpus]
    path = tmp_path / "code.conll"
    path.write_text("\n".join(lines), encoding="utf-8")
    again = read_conll(path)
    assert again.tokens == corpus.tokens and again.labels == corpus.labels


def test_words_alone_do_not_tell_the_roles(code):
    counts = {}
    for sequence in code["train"]:
        for token, label in zip(sequence.tokens, sequence.labels, strict=True):
            counts.setdefault(token, Counter())[label] += 1
    best = {token: labels.most_common(1)[0][0] for token, labels in counts.items()}
    right = [best.get(word) == role for s in code["dev"] for word, role in zip(s.tokens, s.labels, strict=True)]
    assert 0.5 < sum(right) / len(right) < 0.8


def test_python_code_tells_its_version(code):
    info = datasets.python_code_info(code)
    assert info["digest"] == datasets.corpus_digest(datasets.load_python_code(tokens=30_000))
    assert info["tokens"]["train"] == code["train"].n_tokens and info["modules"]["dev"] >= 12
    assert info["python"].startswith("3.")


def test_python_without_the_source_of_its_library_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match="must hold the source of the standard library; found 0 usable modules"):
        datasets.load_python_code()


def test_the_digest_sees_every_part_of_a_corpus():
    one = Sequence(("a", "b"), ("X", "Y"), "C", {"pos": ("N", "V")}, text="a b", group="g")
    changes = [
        {"tokens": ("a", "c")},
        {"labels": ("X", "X")},
        {"label": "D"},
        {"label": ("C",)},
        {"vectors": {"v": [[1.0], [2.0]]}},
        {"vectors": {"v": [[1.0], [3.0]]}},
        {"vectors": {"w": [[1.0], [2.0]]}},
        {"vectors": {"v": [[1.0, 2.0], [1.0, 2.0]]}},
        {"tokens": (), "frames": [[1.0], [2.0]]},
        {"columns": {"pos": ("N", "N")}},
        {"text": "a  b"},
        {"group": "h"},
    ]
    corpora = [{"train": Corpus((replace(one, **change),))} for change in [{}, *changes]]
    corpora += [{"dev": Corpus((one,))}, {"train": Corpus((one, one))}]
    assert len({datasets.corpus_digest(c) for c in corpora}) == len(corpora)
    assert datasets.corpus_digest(corpora[0]) == datasets.corpus_digest({"train": Corpus((one,), "another name")})


def test_the_digest_of_equal_numbers_is_equal():
    odd = np.array([[0xFFC00001, 0x80000000]], np.uint32).view(np.float32)  # another NaN, and minus zero
    one, other = ({"train": Corpus((Sequence(frames=table),))} for table in ([[np.nan, 0.0]], odd))
    assert one == other and datasets.corpus_digest(one) == datasets.corpus_digest(other)


def test_parameter_errors_are_configuration_errors():
    with pytest.raises(ParameterError):
        datasets.load_python_code(tokens=0)
