# ruff: noqa: E501 (a mistake and its message stand on one line)
"""YAML to a typed configuration and back, and every way to get it wrong, with file and line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from seqtag.choices.cells import CELLS
from seqtag.cli import app
from seqtag.config import TASKS, Config, Data, _yaml, json_schema, load_config, parse_config, parse_data, parse_options
from seqtag.config._fields import estimator_class
from seqtag.data.encoders import ENCODERS
from seqtag.data.readers import READERS
from seqtag.datasets import DATASETS
from seqtag.decoders import DECODERS
from seqtag.errors import ConfigError
from seqtag.experiment import RULES
from seqtag.params import schema
from seqtag.tasks.tagger import SequenceTagger

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
TEMPLATES = ("ner_files", "classify_files", "intent_files")  # for the files of users; the others run as they stand
SMALL = "task: tagging\ndata: {dataset: tagging}\n"
SMALL_OF = {task: f"task: {task}\ndata: {{dataset: tagging}}\n" for task in TASKS}


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.yaml", overrides)
    return str(caught.value)


# --- YAML -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4e-3", 0.004),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("12", 12),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("+3", 3),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("On", "On"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("[a, 1, [b]]", ["a", 1, ["b"]]),
        ("{1: x, null: y}", {"1": "x", "null": "y"}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = _yaml.parse(f"key: {text}", "f.yaml").value["key"]
    assert found == value
    assert type(found) is type(value)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]))
    | st.sampled_from(["no", "4e-3", "1:30", "~", "null", "0o7", "=", "<<", "2020-01-01", "- a", "a: b", "#", " "]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abn1~.-: ", min_size=1), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcno1", min_size=1), PLAIN, max_size=4))
def test_what_is_dumped_is_read_back_to_the_same(value):
    document = _yaml.parse(_yaml.dump(value), "f.yaml")
    assert document.value == value
    assert document.problems == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [1", "c.yaml:1: this is no YAML: expected ',' or ']', but got '<stream end>'."),
        ("a: 1\n\tb: 2", "c.yaml:2: this is no YAML: found character '\\t' that cannot start any token."),
        ("a: 1\n---\nb: 2", "c.yaml:2: this is no YAML: but found another document."),
        ("a: 1\nb: \x07", "c.yaml:2: this is no YAML: the character U+0007 must not stand here."),
        ("a: *b", "c.yaml:1: this is no YAML: found undefined alias 'b'."),
        ("[" * 9999, "c.yaml: this is no YAML: it is nested too deeply."),
        ("- task", "c.yaml: a configuration must be a mapping of keys to values; got ['task']."),
        ("just words", "c.yaml: a configuration must be a mapping of keys to values; got 'just words'."),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text, message):
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: 1\nseed: 2", "c.yaml:4: seed stands twice; c.yaml:3 has it already."),
        ("seed: !!python/object/apply:os.getcwd []", "got the tag !!python/object/apply:os.getcwd."),
        ("seed: !!int x", "c.yaml:3: a value must be plain, or what its tag says; got the tag !!int."),
        ("seed: !!set {a}", "got the tag !!set."),
        ("? [a]\n: 1", "c.yaml:3: a key must be a word or a string."),
        ("model: &m {units: 1}\ntraining: *m", "c.yaml:3: & and * are not understood here"),
        ("model: &m {units: *m}", "c.yaml:3: & and * are not understood here"),
        ("model:\n  <<: {units: 1}", "c.yaml:4: model.<< is unknown."),
    ],
)
def test_yaml_that_is_no_plain_value_is_refused(line, message):
    assert message in refusal(SMALL + line)


# --- what a configuration is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", list(TASKS))
def test_what_is_left_out_has_the_default_of_the_constructor(task):
    config = parse_config(SMALL_OF[task], "some/where/small.yaml")
    estimator, default = config.estimator(), estimator_class(task)()
    assert type(estimator) is estimator_class(task)
    assert estimator.task == task
    as_lists = {name: list(v) if isinstance(v, tuple) else v for name, v in default.get_params().items()}
    assert estimator.get_params() == as_lists
    assert config.output == "runs/small"
    assert config.seed is None
    assert config.data == Data("tagging", options={"sequences": 200, "vocabulary": 60, "random_state": 0})


def test_what_is_given_reaches_the_estimator():
    config = parse_config(
        SMALL + "model: {units: 7, cell: gru, encoders: [words, {column: pos, dim: 4}]}\n"
        "training: {epochs: 3, learning_rate: 1e-2, class_weight: {O: 0.5}}\nseed: 5\noutput: out"
    )
    params = config.estimator().get_params()
    expected = {
        "units": 7,
        "cell": "gru",
        "encoders": ["words", {"column": "pos", "dim": 4}],
        "epochs": 3,
        "learning_rate": 0.01,
        "class_weight": {"O": 0.5},
        "random_state": 5,
    }
    assert {name: params[name] for name in expected} == expected
    assert config.output == "out"


def test_tables_by_task_know_the_same_tasks():
    assert set(TASKS) == set(RULES) == {*DECODERS, "language_modelling"}  # which labels nothing


@pytest.mark.parametrize("task", list(TASKS))
def test_every_parameter_has_a_place(task):
    config = parse_config(SMALL_OF[task])
    parameters = set(schema(estimator_class(task)))
    elsewhere = {"random_state", "verbose", "warm_start"} & parameters
    assert {*config.model, *config.training} == parameters - elsewhere
    assert {"random_state", "verbose"} <= elsewhere
    assert {"units", "cell", "level" if task == "language_modelling" else "encoders"} <= set(config.model)
    assert {"epochs", "learning_rate"} <= set(config.training)


DATA = [
    "{dataset: python_code, tokens: null}",
    "{dataset: conll2000, dev: 0.1}",
    "{dataset: ud_english_ewt, label: xpos, columns: [lemma]}",
    "{train: a.conll}",
    "{train: a.iob, dev: b.iob, test: c.iob, columns: {pos: 1}, separator: ' ', comments: '#'}",
    "{train: a.txt, dev: b.txt}",
    "{train: a.conllu, dev: 0.25, label: 'feats:Number'}",
    "{train: a.csv, sequence: id, text: body}",
    "{train: a.dat, format: jsonl, tokenizer: words}",
    "{train: a.npz, y: null, dev: 0.1}",
    "{train: a.txt, format: labelled_lines, label_first: false}",
]


@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize("data", DATA)
def test_a_configuration_survives_yaml(data, task):
    config = parse_config(f"task: {task}\ndata: {data}\nmodel: {{units: 3}}\nseed: 1\noutput: 'no'\n")
    written = config.to_yaml()
    again = parse_config(written, "elsewhere.yaml")
    assert again == config
    assert again.to_yaml() == written
    assert parse_data(written) == config.data
    json.dumps(config.to_dict())


def test_files_and_a_share_of_train_are_told_apart():
    files = parse_config("task: tagging\ndata: {train: a.conll, dev: b.conll, test: c.conll}\n").data
    assert files.files == {"train": "a.conll", "dev": "b.conll", "test": "c.conll"}
    assert (files.dev_share, files.format) == (None, "conll")
    share = parse_config("task: tagging\ndata: {train: a.conllu, dev: 0.1}\n").data
    assert share.files == {"train": "a.conllu"}
    assert (share.dev_share, share.format) == (0.1, "conllu")


def test_the_data_is_read_without_an_estimator():
    code = (
        "import sys; from seqtag.config import parse_data; parse_data('data: {dataset: tagging}');"
        "print([m for m in ('sklearn', 'keras', 'tensorflow', 'pydantic', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


# --- what is refused --------------------------------------------------------------------------------------------

TASK = "task: tagging\n"
WRONG = [
    ("data: {dataset: tagging}", "c.yaml:1: task must be one of tagging, classification, joint, language_modelling; got None."),
    ("task: taging\ndata: {dataset: tagging}", "c.yaml:1: task must be one of tagging, classification, joint, language_modelling; got 'taging'. Did you mean 'tagging'?"),
    ("task: [tagging]\ndata: {dataset: tagging}", "c.yaml:1: task must be one of tagging, classification, joint, language_modelling; got ['tagging']."),
    (TASK, "c.yaml:1: data must name a data set (dataset: NAME) or files (train: FILE); got nothing."),
    (TASK + "data: x", "c.yaml:2: data must be a mapping of names to values; got 'x'."),
    (TASK + "data: {}", "c.yaml:2: data must name a file under train, or a data set under dataset."),
    (TASK + "data: {dataset: conll200}", "c.yaml:2: data.dataset: data set must be one of python_code, python_text, digits,"),
    (TASK + "data: {dataset: [a]}", "c.yaml:2: data.dataset: data set must be one of"),
    (TASK + "data:\n  dataset: tagging\n  sequence: 3", "c.yaml:4: data.sequence is unknown. Did you mean 'sequences'?"),
    (TASK + "data: {dataset: tagging, sequences: many}", "c.yaml:2: data.sequences must be an int; got 'many'."),
    (TASK + "data: {dataset: tagging, test: a}", "data.test is unknown. It belongs to files, and this data is a data set."),
    (TASK + "data: {dataset: tagging, dev: a}", "c.yaml:2: data.dev must be a share of train, between 0 and 1; got 'a'."),
    (TASK + "data: {train: a.conll, dev: 1}", "data.dev must be a file, or a share of train between 0 and 1; got 1."),
    (TASK + "data: {train: a.conll, dev: true}", "data.dev must be a file, or a share of train between 0 and 1; got True."),
    (TASK + "data: {train: a.conll, dev: -0.5}", "data.dev must be a file, or a share of train between 0 and 1; got -0.5."),
    (TASK + "data: {train: 5}", "c.yaml:2: data.train must be the path of a file; got 5."),
    (TASK + "data: {train: ''}", "c.yaml:2: data.train must be the path of a file; got ''."),
    (TASK + "data: {train: a.conll, test: [b]}", "c.yaml:2: data.test must be the path of a file; got ['b']."),
    (TASK + "data: {train: a.xyz}", "c.yaml:2: data.format: a.xyz: the format must be named"),
    (TASK + "data: {train: a, format: conl}", "c.yaml:2: data.format must be one of conll, conllu, jsonl, csv"),
    (TASK + "data: {train: a.conll, colums: {}}", "c.yaml:2: data.colums is unknown. Did you mean 'columns'?"),
    (TASK + "data: {train: a.conll, columns: [pos]}", "c.yaml:2: data.columns must be a mapping or None; got ['pos']."),
    (TASK + "data: {train: a.jsonl, separator: x}", "c.yaml:2: data.separator is unknown. Known here are train, dev, test,"),
    (SMALL + "modell: {}", "c.yaml:3: modell is unknown. Did you mean 'model'?"),
    (SMALL + "units: 3", "c.yaml:3: units is unknown. Write it as model.units."),
    (SMALL + "random_state: 3", "c.yaml:3: random_state is unknown. Write it as seed."),
    (SMALL + "model:\n  # comment\n  unts: 5", "c.yaml:5: model.unts is unknown. Did you mean 'units'?"),
    (SMALL + "model: {epochs: 5}", "c.yaml:3: model.epochs is unknown. Write it as training.epochs."),
    (SMALL + "training: {verbose: 1}", "c.yaml:3: training.verbose is unknown. Known here are epochs,"),
    (SMALL + "model: [units]", "c.yaml:3: model must be a mapping of names to values; got ['units']."),
    (SMALL + "model: {units: 0}", "c.yaml:3: model.units must be an int of at least 1; got 0."),
    (SMALL + "model: {units: '5'}", "c.yaml:3: model.units must be an int of at least 1; got '5'."),
    (SMALL + "model: {bidirectional: yes}", "c.yaml:3: model.bidirectional must be true or false; got 'yes'."),
    (SMALL + "model: {dropout: 1}", "c.yaml:3: model.dropout must be a number of at least 0 and less than 1; got 1."),
    (SMALL + "model: {cell: lsmt}", "c.yaml:3: model.cell must be 'simple_rnn' or 'simple_rnn_relu' or 'gru' or 'lstm'; got 'lsmt'. Did you mean 'lstm'?"),
    (SMALL + "model: {encoders: words}", "c.yaml:3: model.encoders must be a list or 'auto'; got 'words'."),
    (SMALL + "model: {encoders: Auto}", "c.yaml:3: model.encoders must be a list or 'auto'; got 'Auto'. Did you mean 'auto'?"),
    (SMALL + "model: {encoders: [{vectors: null}]}", "c.yaml:3: model.encoders: encoder 'vectors' needs its name; write it as {vectors: ...}."),
    (SMALL + "model: {encoders: [{frames: 3}]}", "c.yaml:3: model.encoders: encoder 'frames' takes no main argument; got 3."),
    (SMALL + "model: {pooling: max}", "c.yaml:3: model.pooling is unknown. It belongs to task: classification or joint."),
    (SMALL_OF["classification"] + "model: {decoder: crf}", "c.yaml:3: model.decoder is unknown. It belongs to task: tagging or joint."),
    (SMALL_OF["classification"] + "model: {pooling: maxx}", "c.yaml:3: model.pooling must be 'last' or 'mean' or 'max' or 'attention'; got 'maxx'. Did you mean 'max'?"),
    (SMALL_OF["classification"] + "model: {multi_label: some}", "c.yaml:3: model.multi_label must be true or false or 'auto'; got 'some'."),
    (SMALL_OF["classification"] + "training: {pooling: max}", "c.yaml:3: training.pooling is unknown. Write it as model.pooling."),
    (TASK + "data: {dataset: digits, sequences: 3}", "c.yaml:2: data.sequences is unknown. Known here are dataset, dev."),
    (SMALL + "model:\n  encoders:\n    - words\n    - word", "c.yaml:6: model.encoders: an encoder must be one of words,"),
    (SMALL + "model:\n  encoders: [words, {chars: null, dims: 3}]", "c.yaml:4: model.encoders: encoder 'chars' has the options"),
    (SMALL + "training: {epochs: all}", "c.yaml:3: training.epochs must be an int of at least 1 or 'auto'; got 'all'."),
    (SMALL + "training: {learning_rate: .nan}", "c.yaml:3: training.learning_rate must be a number of at least 0; got nan."),
    (SMALL + "seed: -1", "c.yaml:3: seed must be an int of at least 0 or None; got -1."),
    (SMALL + "output: 3", "c.yaml:3: output must be a string; got 3."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_what_is_wrong_is_named_with_its_line(text, message):
    assert message in refusal(text)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file():
    text = "task: tagging\nmodel:\n  unts: 1\n  units: 0\nseed: x\ndata: {train: a.conll, dev: 2}\nseed: 3\n"
    head, *lines = refusal(text).splitlines()
    assert head == "c.yaml has 5 problems:"
    assert [line.split()[0] for line in lines] == [f"c.yaml:{n}:" for n in (3, 4, 5, 6, 7)]


def test_python_and_yaml_refuse_in_the_same_words():
    with pytest.raises(ConfigError) as caught:
        SequenceTagger(units=0).fit([["a"]], [["X"]])
    python = str(caught.value).removeprefix("SequenceTagger: ")
    assert refusal(SMALL + "model: {units: 0}") == f"c.yaml:3: model.{python}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"there is no such file\. Did you mean 'demo\.yaml'\?"),
        (b"\xff\xfe\x00", "the file cannot be read as text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "demo.yaml").write_text(SMALL)
    path = tmp_path / "dem.yaml"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(str(path)) + ": " + message):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / "c.yaml").write_text("\ufeff" + SMALL, encoding="utf-8")
    assert load_config(tmp_path / "c.yaml").task == "tagging"


# --- overrides --------------------------------------------------------------------------------------------------


def test_overrides_are_typed_as_yaml_and_come_last():
    config = parse_config(
        SMALL + "model: {units: 5}",
        "c.yaml",
        [
            "model.units=9",
            "model.encoders=[words, {column: pos}]",
            "training.epochs=auto",
            "training.learning_rate=1e-3",
            "training.class_weight.O=0.5",
            "seed=3",
            "output=a=b",
            "data.sequences=7",
        ],
    )
    assert config.model["units"] == 9
    assert config.model["encoders"] == ["words", {"column": "pos"}]
    assert config.training["epochs"] == "auto"
    assert config.training["learning_rate"] == 0.001
    assert config.training["class_weight"] == {"O": 0.5}
    assert (config.seed, config.output, config.data.options["sequences"]) == (3, "a=b", 7)


def test_an_override_mends_what_is_wrong_in_the_file():
    text = "task: tagging\ndata: {dataset: nowhere}\nmodel: {units: 0}\n"
    assert parse_config(text, "c.yaml", ["data={dataset: tagging}", "model.units=1"]).model["units"] == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.unts=5", "--set model.unts=5: model.unts is unknown. Did you mean 'units'?"),
        ("units=5", "--set units=5: units is unknown. Write it as model.units."),
        ("model.units=many", "--set model.units=many: model.units must be an int of at least 1; got 'many'."),
        ("model.encoders=[wrds]", "--set model.encoders=[wrds]: model.encoders: an encoder must be one of"),
        ("model.units", "--set model.units: must be written key=value, for example model.units=128."),
        ("=5", "--set =5: must be written key=value"),
        ("model..units=5", "--set model..units=5: must be written key=value"),
        ("seed.x=5", "--set seed.x=5: seed holds 1, which has no keys."),
        ("model.units=[1", "--set model.units=[1: this is no YAML: expected ',' or ']'"),
        ("data.test=3", "--set data.test=3: data.test is unknown. It belongs to files"),
    ],
)
def test_wrong_overrides_are_named(override, message):
    assert refusal(SMALL + "seed: 1", override).startswith(message)


# --- the JSON Schema --------------------------------------------------------------------------------------------


def sections(task: str = "tagging") -> dict:
    (branch,) = [rule for rule in json_schema()["allOf"] if rule["if"]["properties"]["task"]["const"] == task]
    return branch["then"]["properties"]


@pytest.mark.parametrize("task", list(TASKS))
def test_the_json_schema_knows_what_the_constructor_knows(task):
    config = parse_config(SMALL_OF[task])
    known = schema(estimator_class(task))
    for group in ("model", "training"):
        section = sections(task)[group]
        assert section["additionalProperties"] is False
        assert set(section["properties"]) == set(getattr(config, group))
        for name, rule in section["properties"].items():
            assert rule["description"] == known[name].doc
            assert rule["default"] == getattr(config, group)[name]


def test_the_json_schema_has_ranges_and_names():
    model, training = (sections()[group]["properties"] for group in ("model", "training"))
    assert (model["units"]["type"], model["units"]["minimum"]) == ("integer", 1)
    assert (model["dropout"]["minimum"], model["dropout"]["exclusiveMaximum"]) == (0, 1)
    assert set(model["cell"]["enum"]) == set(schema(SequenceTagger)["cell"].choices)
    assert {"enum": ["auto"]} in training["epochs"]["anyOf"]
    assert {"type": "null"} in training["init_from"]["anyOf"]
    encoders, auto = model["encoders"]["anyOf"]
    assert auto == {"enum": ["auto"]}
    bare, *mappings = encoders["items"]["anyOf"]
    assert set(ENCODERS) - set(bare["enum"]) == {"column", "embeddings", "gazetteer", "lm", "vectors"}, (
        "which need a name"
    )
    assert [rule["title"] for rule in mappings] == list(ENCODERS)


def test_the_json_schema_knows_all_data():
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["task"]["enum"] == list(TASKS)
    branches = [rule["properties"] for rule in schema["properties"]["data"]["anyOf"]]
    assert [rule["dataset"]["const"] for rule in branches if "dataset" in rule] == list(DATASETS)
    assert [rule["format"]["const"] for rule in branches if "format" in rule] == list(READERS)


def test_the_json_schema_accepts_and_refuses_as_the_configuration_does():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(json_schema())
    validator = jsonschema.Draft202012Validator(json_schema())
    small = [f"task: {task}\ndata: {data}" for data in DATA for task in TASKS]
    for text in [*(path.read_text() for path in CONFIGS), *small]:
        assert list(validator.iter_errors(_yaml.parse(text, "c.yaml").value)) == []
        assert list(validator.iter_errors(parse_config(text).to_dict())) == [], "defaults written out are right, too"
    passed = [text for text, _ in WRONG if validator.is_valid(_yaml.parse(text, "c.yaml").value)]
    assert passed == [
        TASK + "data: {train: a.xyz}",  # a schema cannot tell a format from a suffix,
        TASK + "data: {train: a.conll, columns: [pos]}",  # which would be right for CoNLL-U,
        TASK + "data: {train: a.jsonl, separator: x}",  # and this for columns,
        SMALL + "training: {learning_rate: .nan}",  # and JSON has no NaN to speak of
    ]


# --- the files in configs/ --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_of_the_project_is_right(path):
    config = load_config(path)
    assert isinstance(config, Config)
    assert config.estimator().get_params()["random_state"] == 0
    header = re.match(r"(?:#.*\n)+", path.read_text())
    assert header is not None
    for word in ("Data:", "Score:", "Time:", f"Run:    seqtag {'check' if path.stem in TEMPLATES else 'train'}"):
        assert word in header[0]
    assert f"configs/{path.name}" in header[0]


def test_the_configurations_have_folders_of_their_own():
    outputs = [load_config(path).output for path in CONFIGS]
    assert len(set(outputs)) == len(CONFIGS) >= 15
    assert {"runs/demo", "runs/ewt_pos"} <= set(outputs)


def test_the_configurations_show_every_task_and_every_cell():
    configs = [load_config(path) for path in CONFIGS]
    assert {config.task for config in configs} == set(TASKS)
    assert {config.model["cell"] for config in configs} == set(CELLS)
    assert any(config.model["layers"] > 1 and config.model["residual"] for config in configs)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configurations_say_what_differs_from_the_defaults_only(path):
    default = parse_config(SMALL_OF[load_config(path).task])
    given = _yaml.parse(path.read_text(), path.name).value
    for group in ("model", "training"):
        for name, value in (given.get(group) or {}).items():
            assert value != getattr(default, group)[name]


@pytest.mark.parametrize("stem", TEMPLATES)
def test_the_templates_show_every_option_with_its_default(stem):
    path = ROOT / "configs" / f"{stem}.yaml"
    uncommented = re.sub(r"^  # (\w+: .*)$", r"  \1", path.read_text(), flags=re.M)
    shown = _yaml.parse(uncommented, path.name).value
    config = load_config(path)
    assert shown["model"] == config.model
    assert shown["training"] == config.training
    absent = {"dev": None, "test": None}
    assert shown["data"] | absent == {**absent, **config.data.to_dict()} | absent
    parse_config(uncommented, path.name)


@pytest.mark.parametrize("stem", TEMPLATES)
def test_the_templates_name_every_cell_and_pooling_that_there_is(stem):
    config = load_config(ROOT / "configs" / f"{stem}.yaml")
    text = (ROOT / "configs" / f"{stem}.yaml").read_text()
    for name, field in schema(estimator_class(config.task)).items():
        if field.param.choices and name != "verbose":
            comments = re.findall(rf"^  # {name}: \w+ +# (.*)$", text, re.M)
            assert comments and all(set(field.choices) <= set(re.findall(r"\w+", comment)) for comment in comments), (
                name
            )


def test_commands_named_in_headers_exist():
    commands = set(typer.main.get_command(app).commands)
    for path in CONFIGS:
        assert set(re.findall(r"^# .*?seqtag (\w+) ", path.read_text(), re.M)) <= commands


def test_options_of_a_reader_are_read_as_yaml():
    found = parse_options(["text=review", "label=null", "columns={pos: 1}", "columns.lemma=2", "separator=';'"])
    assert found == {"text": "review", "label": None, "columns": {"pos": 1, "lemma": 2}, "separator": ";"}
    assert parse_options([]) == {}
    with pytest.raises(ConfigError, match="--set text: must be written key=value"):
        parse_options(["text"])
