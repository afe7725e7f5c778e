"""Streams: read in pieces as if at once, the same again each time or refused, trained on without being held."""

import codecs
import gzip
import itertools
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag import Corpus, CorpusStream, Sequence, SequenceClassifier, SequenceTagger, experiment, read
from seqtag.config import Data, parse_config
from seqtag.data.encoders import fit_encoders
from seqtag.data.readers import _PIECEWISE, READERS, iterate
from seqtag.data.readers import _text as text
from seqtag.data.store import WINDOW, encoded_on_disk
from seqtag.data.streaming import SteadyPasses, parts_of
from seqtag.errors import ConfigError, DataError, ParameterError
from seqtag.tasks import _streamed
from seqtag.tasks._classes import ClassifiedData, as_classes
from seqtag.tasks._labelled import prepare
from seqtag.tasks._streamed import StreamedClasses, StreamedLabels
from seqtag.tasks._weights import sequence_weights, token_weights

SMALL = {"units": 4, "epochs": 1, "random_state": 0, "encoders": ["words"], "neighbour_weight": 0.0}


def tagged(n=60, seed=0):
    """Sentences of names whose labels follow from the words."""
    rng = np.random.default_rng(seed)
    words = {"Ada": "B-PER", "Eve": "B-PER", "Paris": "B-LOC", "is": "O", "old": "O", "here": "O"}
    drawn = [tuple(map(str, rng.choice(list(words), rng.integers(1, 9)))) for _ in range(n)]
    return [Sequence(tokens, tuple(words[token] for token in tokens)) for tokens in drawn]


def classified(n=60, seed=0):
    kinds = {"good": ("fine", "nice"), "bad": ("poor", "sad"), "rare": ("odd",)}
    rng = np.random.default_rng(seed)
    labels = ["rare", *(str(label) for label in rng.choice(["good", "bad"], n - 1))]
    return [Sequence(tuple(map(str, rng.choice(kinds[label], rng.integers(1, 5)))), label=label) for label in labels]


def write_conll(path, sequences):
    blocks = ["".join(f"{token} {label}\n" for token, label in zip(s.tokens, s.labels, strict=True)) for s in sequences]
    path.write_text("\n".join(blocks), encoding="utf-8")
    return path


def stream_of(sequences):
    return CorpusStream(lambda: iter(sequences), name="made")


# ---- reading in pieces -------------------------------------------------------------------------------------

LINES = ["", "a b", "é\u2028x", "\x85\x0c", "한국 👍🏽", " \t", "\ufeffy"]


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=8),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=9, max_size=9),
    last=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7"]),
    packed=st.booleans(),
    chunk=st.integers(4, 9),  # the mark is in the first four bytes
)
def test_lines_are_those_of_the_whole_text_however_it_is_cut(lines, ends, last, encoding, packed, chunk):
    written = "".join(line + end for line, end in zip(lines, ends, strict=False))
    written += "z" * last
    expected = written.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    expected = expected[:-1] if not expected[-1] else expected
    raw = written.encode(encoding)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "a.txt")
        path.write_bytes(gzip.compress(raw) if packed else raw)
        patch.setattr(text, "CHUNK", chunk)
        assert list(text.lines_of(path, encoding)) == expected


@pytest.mark.parametrize(
    ("raw", "encoding", "line", "byte"),
    [
        (b"a\r\nb\r\xffc\n", "utf-8", 3, "0xFF (invalid start byte)"),
        (b"a\n\xed\x95", "utf-8", 2, "0xED (unexpected end of data)"),
        ("a\nb\nc".encode("utf-16") + b"\x00", "utf-16", 3, "0x00 (truncated data)"),
        ("가\n나".encode("euc-kr") + b"\n\xff\xff", "euc-kr", 3, "0xFF (illegal multibyte sequence)"),
    ],
)
@pytest.mark.parametrize("chunk", [4, 5, 6, 1 << 18])
def test_what_is_no_text_is_named_by_its_line(tmp_path, monkeypatch, raw, encoding, line, byte, chunk):
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    monkeypatch.setattr(text, "CHUNK", chunk)
    with pytest.raises(DataError) as caught:
        list(text.lines_of(path, encoding))
    assert f"a.txt:{line}: expected text in {encoding}; got the byte {byte}" in str(caught.value)


@pytest.mark.parametrize(("mark", "native"), [(b"", True), (codecs.BOM_UTF16_BE, False)])
def test_utf_16_without_a_mark_has_the_order_of_the_machine(tmp_path, mark, native):
    path = tmp_path / "a.txt"
    raw = "a\nb\n".encode("utf-16-be")
    path.write_bytes(mark + raw)
    assert list(text.lines_of(path, "utf-16")) == (raw.decode("utf-16").splitlines() if native else ["a", "b"])


FILES = {
    "conll": "a X\nb Y\n\nc X\n",
    "conllu": "1\ta\t_\tX\t_\t_\t0\t_\t_\t_\n\n1\tb\t_\tY\t_\t_\t0\t_\t_\t_\n",
    "jsonl": '{"tokens": ["a"], "labels": ["X"]}\n\n{"tokens": ["b"], "labels": ["Y"]}\n',
    "csv": 'sequence,token,label\n1,"a\nb",X\n2,c,Y\n',
    "lines": "a b\n\nc\n",
    "labelled_lines": "X a b\nY c\n",
}


@pytest.mark.parametrize("format", FILES)
def test_what_is_read_piece_by_piece_is_what_is_read_at_once(tmp_path, format):
    path = tmp_path / "file"
    path.write_text(FILES[format], encoding="utf-8")
    assert list(iterate(path, format)) == list(read(path, format)) == list(CorpusStream(path, format))


def test_a_generator_has_the_options_of_its_reader():
    import inspect

    assert set(_PIECEWISE) == {*FILES, "parallel"} == set(READERS) - {"npz"}  # for "parallel" see test_readers.py
    for format, reader in _PIECEWISE.items():
        whole = inspect.signature(READERS[format])
        assert inspect.signature(reader).parameters == whole.parameters, format


def test_sequences_come_before_the_file_ends(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("a X\n\n" * 3 + "b\n", encoding="utf-8")
    found = iterate(path)
    assert [next(found).tokens for _ in range(3)] == [("a",)] * 3
    with pytest.raises(DataError, match=r"a\.conll:7: expected 2 columns") as late:
        next(found)
    with pytest.raises(DataError) as whole:
        read(path)
    assert str(late.value) == str(whole.value)


# ---- streams -----------------------------------------------------------------------------------------------


def test_a_stream_is_of_a_file_of_several_or_of_a_pattern(tmp_path):
    parts = tagged(6), tagged(5, seed=1)
    paths = [write_conll(tmp_path / name, part) for name, part in zip(("a.conll", "b.conll"), parts, strict=True)]
    for source in (paths, str(tmp_path / "*.conll")):
        stream = CorpusStream(source)
        assert [s.tokens for s in stream] == [s.tokens for s in itertools.chain(*parts)] == [s.tokens for s in stream]
    alone = CorpusStream(paths[0])
    assert alone.name == str(paths[0]) and alone.read() == read(paths[0])
    assert alone.describe() == read(paths[0]).describe()
    bracket = write_conll(tmp_path / "c[1].conll", parts[0])
    assert CorpusStream(bracket).paths == (bracket,)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "must be made of a path, several, or a function"),
        (iter([]), "An iterator can be gone through only once"),
        ([], "must name at least one file"),
        (tagged(2), "must name at least one file, and each by its path; got Sequence"),
        ("no/such.conll", "there is no such file"),
        ("no/*.conll", "matches none"),
        (Path(__file__).parent, "the suffix does not tell"),
    ],
)
def test_what_is_no_source_is_refused_at_once(source, message):
    with pytest.raises((DataError, ConfigError), match=message.replace("(", r"\(")):
        CorpusStream(source)


def test_an_option_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigError, match="must be among"):
        CorpusStream(write_conll(tmp_path / "a.conll", tagged(1)), options={"lable": 1})


def test_what_is_made_must_be_sequences():
    with pytest.raises(DataError, match="element 1 is of type list"):
        list(CorpusStream(lambda: [tagged(1)[0], ["a"]]))


def test_describing_a_stream_reads_it_once():
    passes = []
    stream = CorpusStream(lambda: passes.append(1) or iter(tagged()))
    assert stream.describe() is stream.describe() and len(passes) == 1
    assert stream.describe() == Corpus(tuple(tagged()), "stream").describe()


@pytest.mark.parametrize(
    ("second", "got"),
    [
        (tagged()[1:], "59 sequences after 60"),
        (tagged()[::-1], "others, or another order"),
        (tagged(seed=1), "others, or another order"),
        ([], "0 sequences after 60"),
    ],
)
def test_a_second_pass_must_give_what_the_first_gave(second, got):
    given = iter([tagged(), second])
    passes = SteadyPasses(CorpusStream(lambda: iter(next(given)), name="made"))
    list(passes)
    with pytest.raises(DataError, match=f"made must give the same sequences .* got {got}"):
        list(passes)


@pytest.mark.parametrize(
    "change", [{"labels": ("O", "O")}, {"label": "x"}, {"columns": {"pos": ("a", "b")}}, {"vectors": {"v": [[1], [2]]}}]
)
def test_labels_columns_and_numbers_count_too(change):
    given = iter([[Sequence(("a", "b"))], [Sequence(("a", "b"), **change)]])
    passes = SteadyPasses(CorpusStream(lambda: iter(next(given))))
    list(passes)
    with pytest.raises(DataError, match="others"):
        list(passes)


@given(lengths=st.lists(st.integers(0, 9), max_size=30), tokens=st.integers(1, 20))
def test_parts_hold_all_in_order_and_little_each(lengths, tokens):
    sequences = [Sequence(("x",) * n, id=str(i)) for i, n in enumerate(lengths)]
    parts = list(parts_of(iter(sequences), tokens))
    assert list(itertools.chain(*parts)) == sequences and all(parts)
    assert all(sum(map(len, part[:-1])) < tokens for part in parts)


# ---- the same as in memory ---------------------------------------------------------------------------------

CHOICES = [["words", {"affixes": None, "min_count": 1}, "chars"], ["words", {"column": "pos"}, {"ngrams": 2}]]


@pytest.mark.parametrize("choices", CHOICES)
def test_features_are_those_fitted_in_memory(choices):
    made = [*tagged(), Sequence((), ())]
    sequences = [Sequence(s.tokens, s.labels, columns={"pos": tuple(t[:1] for t in s.tokens)}) for s in made]
    data = StreamedLabels.count(stream_of(sequences), "auto", "repair", None)
    assert fit_encoders(choices, data.vocabulary()) == fit_encoders(choices, sequences[:-1])


def test_numbers_are_scaled_as_in_memory():
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(n, 2)) for n in (3, 1, 5)]
    tables[1][0, 1] = np.nan
    sequences = [Sequence(labels=("X",) * len(t), frames=t, vectors={"v": t * 2}) for t in tables]
    data = StreamedLabels.count(stream_of(sequences), "auto", "repair", None)
    assert data.is_numeric
    choices = ["frames", {"vectors": "v", "standardize": True}]
    assert fit_encoders(choices, data.vocabulary()) == fit_encoders(choices, sequences)


BROKEN = [
    Sequence(("a", "b"), ("I-X", "O"), lines=(4, 5)),
    Sequence(("a", "b", "c"), ("B-X", "I-X", "I-Y")),
    *(Sequence(("a", "b"), ("B-X", "I-X")) for _ in range(3)),
    *(Sequence(("c", "d"), ("B-X", "I-Z")) for _ in range(7)),
    Sequence((), ()),
]


@pytest.mark.parametrize("scheme", ["auto", "iob2", "bioes", "none"])
@pytest.mark.parametrize("invalid_tags", ["repair", "allow"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"O": 3.0}])
def test_scheme_labels_repairs_weights_and_warnings_are_those_in_memory(caplog, scheme, invalid_tags, class_weight):
    data = StreamedLabels.count(stream_of(BROKEN), scheme, invalid_tags, class_weight)
    streamed = [record.message for record in caplog.records]
    caplog.clear()
    whole = prepare(tuple(BROKEN), scheme, invalid_tags)
    assert streamed == [record.message for record in caplog.records]
    weights = token_weights(whole.sequences, None, class_weight)
    assert (data.scheme, data.labels, data.size) == (whole.scheme, whole.labels, len(BROKEN) - 1)
    assert tuple(data.sequences) == whole.without_empty().sequences
    for name, table in whole.without_empty().allowed(whole.labels).items():
        np.testing.assert_array_equal(data.allowed(whole.labels)[name], table)
    part = data.in_memory(tuple(data.sequences))
    assert (part.weights is None) == (weights is None)
    for ours, theirs in zip(part.weights or (), weights or (), strict=False):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("multi_label", ["auto", True, False])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"bad": 2}])
def test_classes_are_those_in_memory(multi_label, several, class_weight):
    sequences = [*classified(), Sequence((), label="good")]
    if several:
        sequences += [Sequence(("fine",), label=("bad", "good")), Sequence(("x",), label=())]
    if several and multi_label is False:
        with pytest.raises(DataError, match="one class a sequence with multi_label=False"):
            StreamedClasses.count(stream_of(sequences), multi_label, class_weight)
        return
    data = StreamedClasses.count(stream_of(sequences), multi_label, class_weight)
    classes = as_classes(None, sequences, multi_label)
    weights = sequence_weights(classes, None, class_weight)
    whole = ClassifiedData(tuple(sequences), classes, weights).without_empty()
    part = data.in_memory(tuple(data.sequences))
    assert part.sequences == whole.sequences and part.classes == whole.classes
    assert data.labels == whole.labels and data.size == len(whole.sequences)
    np.testing.assert_array_equal(data.prior(data.labels), whole.prior(whole.labels))
    np.testing.assert_array_equal(*(value if value is not None else 0 for value in (part.weights, whole.weights)))


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([Sequence(("a",), ("X",)), Sequence(("b",))], "every training sequence must have labels; sequence 1 has none"),
        ([Sequence((), ()), Sequence((), ())], "training needs at least one token; got 2 sequences, all empty"),
        ([], "training needs at least one token; got 0 sequences"),
        ([Sequence(("a",), ("X",)), Sequence(labels=("X",), frames=[[1.0]])], "must have tokens, or all frames"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(sequences, message):
    with pytest.raises(DataError, match=message):
        SequenceTagger(**SMALL).fit(stream_of(sequences))


# ---- holding out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [tagged, classified])
def test_what_is_held_out_is_never_trained_on(make, seed):
    sequences = [Sequence((), (), label="bad"), *make()]
    whole = (
        StreamedLabels.count(stream_of(sequences), "auto", "repair", None)
        if make is tagged
        else StreamedClasses.count(stream_of(sequences), "auto", None)
    )
    kept, dev = whole.hold_out(0.25, seed)
    ids = {id(sequence): i for i, sequence in enumerate(sequences)}
    trained, held = ({ids[id(s)] for s in data} for data in (kept.sequences, dev.sequences))
    assert trained | held == set(range(1, 61)) and not trained & held
    assert len(held) == 60 - kept.size and 13 <= len(held) <= 15
    assert dev.weights is None
    own = [s for s in sequences if ids[id(s)] in trained]
    assert kept.tokens == Counter(token for s in own for token in s.tokens)
    if make is tagged:
        assert kept.tags == prepare(tuple(own), "auto", "repair").tags
    else:
        assert kept.classes.values == Counter(s.label for s in own) and "rare" in kept.labels
    assert [s.tokens for s in whole.hold_out(0.25, seed)[1].sequences] == [s.tokens for s in dev.sequences]


def test_little_is_held_out_of_much(monkeypatch):
    monkeypatch.setattr(_streamed, "HELD_OUT", 4)
    data = StreamedLabels.count(stream_of(tagged()), "auto", "repair", None)
    kept, dev = data.hold_out(0.5, 0)
    assert (kept.size, len(dev.sequences)) == (56, 4)


@pytest.mark.parametrize("estimator", [SequenceTagger, SequenceClassifier])
def test_one_sequence_cannot_be_split(estimator, eager):
    fitted = estimator(**SMALL).fit(stream_of([Sequence(("a", "b"), ("X", "Y"), label="z")]))
    assert fitted.n_tokens_ == 2 and not fitted.history_["score"]


# ---- fitting -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary folders are made, so that it shows what is left of them."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


def left(folder):
    """Return the folders of ours that are there; TensorFlow leaves files of its own."""
    return list(folder.glob("seqtag-*"))


@pytest.mark.slow
def test_a_tagger_learns_from_a_file_as_from_memory(tmp_path, folder):
    path = write_conll(tmp_path / "a.conll", tagged(200))
    options = SMALL | {"epochs": 6, "units": 8, "batch_tokens": 60}
    streamed = SequenceTagger(**options).fit(CorpusStream(path), validation_data=read(path)[:50])
    whole = SequenceTagger(**options).fit(read(path), validation_data=read(path)[:50])
    assert (streamed.labels_, streamed.scheme_, streamed.n_tokens_) == (whole.labels_, whole.scheme_, whole.n_tokens_)
    assert streamed.predictor_.features == whole.predictor_.features
    assert streamed.score(read(path)) > 0.9
    assert left(folder) == []


@pytest.mark.slow
def test_a_classifier_learns_from_a_stream(folder):
    options = SMALL | {"epochs": 8, "batch_tokens": 40}
    fitted = SequenceClassifier(**options).fit(stream_of(classified(200)))
    assert fitted.score(classified(50, seed=1)) > 0.9
    assert set(fitted.classes_) == {"good", "bad", "rare"} and left(folder) == []


def test_a_stream_of_several_labels_and_one_of_numbers(folder, eager):
    several = [Sequence(s.tokens, label=(s.label, "all")) for s in classified()]
    fitted = SequenceClassifier(**SMALL, class_weight="balanced").fit(stream_of(several))
    assert set(fitted.classes_) == {"good", "bad", "rare", "all"}
    frames = [Sequence(label=s.label, frames=np.full((len(s), 2), len(s))) for s in classified()]
    options = SMALL | {"encoders": "auto", "validation_fraction": 0}
    assert SequenceClassifier(**options).fit(stream_of(frames)).n_tokens_ == sum(map(len, frames))


CONFIG = """\
task: tagging
data: {train: "train.*.conll", dev: dev.conll, stream: true}
model: {encoders: [words], units: 4}
training: {epochs: 1, neighbour_weight: 0}
output: out
seed: 0
"""


@pytest.mark.slow
def test_an_experiment_streams_its_training_files(tmp_path, monkeypatch, folder, caplog):
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        write_conll(tmp_path / f"train.{i}.conll", tagged(40, seed=i))
    odd = Sequence(("Ada",), ("B-ODD",))
    write_conll(tmp_path / "dev.conll", [*tagged(20, seed=2), odd])
    config = parse_config(CONFIG)
    corpora = experiment.read_corpora(config.data, config.task)
    assert isinstance(corpora["train"], CorpusStream) and isinstance(corpora["dev"], Corpus)
    said = []
    result = experiment.run(config, corpora=corpora, verbose=0, say=said.append)
    whole = read("train.0.conll").describe(), read("train.1.conll").describe()
    counted = f"{sum(part['sequences'] for part in whole)}  {sum(part['tokens'] for part in whole)}"
    assert counted in " ".join(said[0].replace(",", "").split()).replace(" ", "  ")
    assert "dev has labels that train has not, they cannot be predicted: B-ODD (1)" in caplog.text
    (dev,) = result.evaluations
    assert dev.baseline.report.main_scores["accuracy"] > 0.9
    again = experiment.evaluate("out", "dev")
    assert again.to_dict() == dev.to_dict()
    assert experiment.evaluate("out", "train").report.sizes["sequences"] == 80
    assert left(folder) == []


def test_an_experiment_that_streams_is_checked_before_it_trains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.0.conll").write_text("a\nb\n", encoding="utf-8")
    data = Data(files={"train": "train.*.conll"}, format="conll", options={"label": None}, stream=True)
    with pytest.raises(DataError, match=r"train\.0\.conll: every token must have a label"):
        experiment.read_corpora(data, "tagging")
    (tmp_path / "train.0.conll").write_text("\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="must hold at least one token or frame"):
        experiment.read_corpora(data, "tagging")


def test_a_stream_is_cut_into_tokens_as_the_model_cuts(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("X a,b\n", encoding="utf-8")
    stream = experiment.retokenize(CorpusStream(path, "labelled_lines"), "words")
    assert [s.tokens for s in stream] == [("a", ",", "b")] and stream.name == str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("dev: 0.1", r"data\.dev must be a file where data\.stream is true"),
        ("stream: 3", r"data\.stream must be true or false; got 3"),
        ("straem: true", "Did you mean 'stream'"),
    ],
)
def test_a_configuration_that_cannot_stream(change, message):
    text = f"task: tagging\ndata: {{train: a.conll, {change}{', stream: true' if 'dev' in change else ''}}}\n"
    with pytest.raises(ConfigError, match=message):
        parse_config(text)


def test_a_configuration_keeps_that_it_streams():
    config = parse_config(CONFIG)
    assert config.data.stream and parse_config(config.to_yaml()) == config
    assert not parse_config(CONFIG.replace(", stream: true", "")).data.stream
    assert "stream" not in parse_config(CONFIG.replace("true", "false")).to_dict()["data"]


@pytest.mark.parametrize(
    ("given", "message"),
    [({"y": []}, "y must not be passed with"), ({"sample_weight": [1.0]}, "sample_weight must not be passed with")],
)
@pytest.mark.parametrize("estimator", [SequenceTagger, SequenceClassifier])
def test_what_would_be_as_long_as_the_stream_is_refused(estimator, given, message):
    with pytest.raises(DataError, match=message):
        estimator(**SMALL).fit(stream_of(tagged()), **given)


@pytest.mark.parametrize(("estimator", "make"), [(SequenceTagger, tagged), (SequenceClassifier, classified)])
def test_a_class_weight_that_names_no_label_is_refused_after_one_pass(estimator, make):
    passes = []
    stream = CorpusStream(lambda: passes.append(1) or iter(make()))
    with pytest.raises(ParameterError, match="class_weight must name labels"):
        estimator(**SMALL, class_weight={"Z": 2}).fit(stream)
    assert len(passes) == 1


def test_other_data_while_encoding_end_the_fit_and_its_folder(folder, eager):
    given = itertools.chain([tagged()], itertools.repeat(tagged(seed=1)))
    stream = CorpusStream(lambda: iter(next(given)))
    with pytest.raises(DataError, match="must give the same sequences"):
        SequenceTagger(**SMALL, validation_fraction=0).fit(stream)
    assert left(folder) == []


def test_an_error_in_training_leaves_no_folder(folder, eager):
    import keras

    seen = []

    class Stopped(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.extend(left(folder))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        SequenceTagger(**SMALL).fit(stream_of(tagged()), callbacks=[Stopped()])
    assert len(seen) == 1 and left(folder) == []


def test_what_draws_batches_ahead_ends_when_the_shards_are_gone():
    from seqtag.training.feed import BatchStream
    from seqtag.training.settings import Settings

    data = StreamedLabels.count(stream_of(tagged(400)), "auto", "repair", None)
    features = fit_encoders(["words"], data.vocabulary())
    with encoded_on_disk(features, data._parts(data.labels), 0, shard_tokens=20) as corpus:
        batches = BatchStream(corpus, Settings(epochs=1, batch_tokens=20))
        waiting = iter(batches)
        next(waiting)
        assert corpus.n_shards > 3 * WINDOW
    assert 0 < sum(1 for _ in waiting) < batches.steps / 2  # the rest of the window that is open


def test_validation_data_may_be_a_stream(eager):
    fitted = SequenceTagger(**SMALL).fit(stream_of(tagged()), validation_data=stream_of(tagged(10, seed=1)))
    assert fitted.n_tokens_ == sum(map(len, tagged())) and len(fitted.history_["score"]) == 1


def test_a_fit_goes_on_from_a_stream(eager):
    options = SMALL | {"warm_start": True, "validation_fraction": 0}
    fitted = SequenceTagger(**options).fit(tagged())
    new = [Sequence(("Rome", "Ada"), ("B-CITY", "B-PER"))]
    assert fitted.fit(stream_of(new)).labels_[-1].endswith("CITY")


def test_a_loop_is_written_out_over_a_stream_of_one_length(eager):
    same = [Sequence(("a", "b"), ("X", "Y"))] * 4
    assert SequenceTagger(**SMALL, unroll=True).fit(stream_of(same)).n_tokens_ == 6
    with pytest.raises(DataError, match="unroll=True needs sequences of one length"):
        SequenceTagger(**SMALL, unroll=True).fit(stream_of(tagged()))
