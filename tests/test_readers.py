import gzip
import io
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seqtag.data.corpus import Sequence
from seqtag.data.readers import (
    READERS,
    detect_format,
    iterate,
    lines_from,
    read,
    read_conll,
    read_conllu,
    read_csv,
    read_jsonl,
    read_labelled_lines,
    read_lines,
    read_parallel,
)
from seqtag.errors import ConfigError, DataError

NBSP = "\u00a0"


@pytest.fixture
def write(tmp_path):
    """Write a small file and return its path."""

    def write(content, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def shown(corpus):
    """Tokens, and tokens/labels where there are labels, a sequence a string."""
    return [
        " ".join(s.tokens if s.labels is None else map("/".join, zip(s.tokens, s.labels, strict=True))) for s in corpus
    ]


CONLL = [
    (
        "spaces, with a column between",
        "The DT B-NP\ncat NN I-NP\n\nIt PRP B-NP\n",
        {},
        ["The/B-NP cat/I-NP", "It/B-NP"],
    ),
    ("an extra blank line at the end", "a O\n\n\n", {}, ["a/O"]),
    ("a blank line at the start, no line end at the end", "\n\na O", {}, ["a/O"]),
    ("a lone tab separates sentences, as in WNUT", "a\tO\n\t\nb\tO\n", {}, ["a/O", "b/O"]),
    ("so do spaces", "a O\n  \nb O\n \t \n", {}, ["a/O", "b/O"]),
    ("hashtags and pound signs are tokens", "#tag\tO\n#\tB-X\n", {}, ["#tag/O #/B-X"]),
    ("comments only if asked for", "# x y z\na O\n# x\nb O\n", {"comments": "#"}, ["a/O b/O"]),
    ("hyphens in types", "x\tI-creative-work\n", {}, ["x/I-creative-work"]),
    ("brackets", "-LRB- O\n( O\n", {}, ["-LRB-/O (/O"]),
    ("runs of spaces", "a   O  \n  b O\n", {}, ["a/O b/O"]),
    ("a space in a token beside a tab", "New York\tB\n", {}, ["New York/B"]),
    ("U+00A0 is part of a token", f"a{NBSP}b O\n{NBSP} O\n", {}, [f"a{NBSP}b/O {NBSP}/O"]),
    ("U+00A0 alone is a token", f"a\n{NBSP}\n", {"label": None}, [f"a {NBSP}"]),
    ("inside a line U+2028, U+0085, form feed and NUL are data", "a\u2028b\x85\fc\0 O\n", {}, ["a\u2028b\x85\fc\0/O"]),
    ("CRLF", "a O\r\n\r\nb O\r\n", {}, ["a/O", "b/O"]),
    ("lone CR", "a O\r\rb O\r", {}, ["a/O", "b/O"]),
    ("byte-order mark", "\ufeffa O\n", {}, ["a/O"]),
    (
        "U+FEFF and U+200B elsewhere are tokens, as in WNUT",
        "a\tO\n\ufeff\tO\n\u200b\tO\n",
        {},
        ["a/O \ufeff/O \u200b/O"],
    ),
    ("columns from the end", "1 a x O\n2 b y O\n", {"token": -3, "label": -2}, ["a/x b/y"]),
    ("another separator", "a,b;O\n,;O\n", {"separator": ";"}, ["a,b/O ,/O"]),
    ("documents", "-DOCSTART- -X- O\n\na x O\n\n-DOCSTART-\nb x O\n", {}, ["a/O", "b/O"]),
    ("an empty file", "", {}, []),
    ("blank lines alone", "\n \n", {}, []),
]


@pytest.mark.parametrize(("content", "options", "expected"), [c[1:] for c in CONLL], ids=[c[0] for c in CONLL])
def test_conll(write, content, options, expected):
    assert shown(read_conll(write(content), **options)) == expected


def test_conll_keeps_columns_lines_and_documents(write):
    path = write("x - O\n\n-DOCSTART-\n\nThe DT B\ncat NN I\n\n-DOCSTART- -X- O\na DT B\n")
    corpus = read_conll(path, columns={"pos": 1})
    assert corpus.name == str(path)
    assert corpus[1] == Sequence(("The", "cat"), ("B", "I"), columns={"pos": ("DT", "NN")}, lines=(5, 6), group="1")
    assert [s.group for s in corpus] == [None, "1", "2"]


CONLLU = """\
# newdoc id = doc-1
# sent_id = s1
# text = I don't know_.
1\tI\tI\tPRON\tPRP\tCase=Nom|Number=Sing\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tknow\tknow\tVERB\tVB\tNumber=Plur\t0\troot\t_\tSpaceAfter=No
4.1\tempty\tempty\tVERB\tVB\t_\t_\t_\t_\t_
5\t_\t_\tSYM\tNFP\t_\t4\tpunct\t_\tSpaceAfter=No
6\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\tSpaceAfter=No

# sent_id = s2
# text = Vas-y\u00a0du soir
1\tVas\taller\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
2\t-y\ty\tPRON\t_\t_\t1\tobl\t_\t_
3-4\tdu\t_\t_\t_\t_\t_\t_\t_\t_
3\tde\tde\tADP\t_\t_\t5\tcase\t_\t_
4\tle\tle\tDET\t_\t_\t5\tdet\t_\t_
5\tsoir\tsoir\tNOUN\t_\t_\t1\tobl\t_\t_

#newdoc
# sent_id = s3
# text = New York\u00a0City
1\tNew York\tNew York\tPROPN\t_\t_\t0\troot\t_\t_
2\tCity\tcity\tPROPN\t_\t_\t1\tflat\t_\t_

0.1\tx\tx\tX\t_\t_\t_\t_\t_\t_
1\ty\ty\tX\t_\t_\t0\troot\t_\t_
"""


def test_conllu_skips_ranges_and_empty_nodes(write):
    corpus = read_conllu(write(CONLLU, "a.conllu"), columns=("lemma", "feats:Number"))
    assert corpus[0] == Sequence(
        ("I", "do", "n't", "know", "_", "."),
        ("PRON", "AUX", "PART", "VERB", "SYM", "PUNCT"),
        columns={
            "lemma": ("I", "do", "not", "know", "_", "."),
            "feats:Number": ("Sing", "_", "_", "Plur", "_", "_"),
        },
        text="I don't know_.",
        offsets=((0, 1), (2, 4), (4, 7), (8, 12), (12, 13), (13, 14)),
        lines=(4, 6, 7, 8, 10, 11),
        group="doc-1",
        id="s1",
    )


def test_conllu_text_is_kept_only_where_the_words_stand_in_it(write):
    corpus = read_conllu(write(CONLLU), label="xpos")
    assert [(s.id, s.group, s.text) for s in corpus] == [
        ("s1", "doc-1", "I don't know_."),
        ("s2", "doc-1", None),  # "du" is not the words "de" and "le" written one after the other
        ("s3", "2", f"New York{NBSP}City"),
        (None, "2", None),
    ]
    assert corpus[2].offsets == ((0, 8), (9, 13))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("upos", ("PRON", "AUX")),
        ("xpos", ("PRP", "VBP")),
        ("feats", ("Case=Nom|Number=Sing", "_")),
        ("feats:Case", ("Nom", "_")),
        ("lemma", ("I", "do")),
        ("deprel", ("nsubj", "aux")),
    ],
)
def test_conllu_label(write, label, expected):
    assert read_conllu(write(CONLLU), label=label)[0].labels[:2] == expected
    assert read_conllu(write(CONLLU), label=None)[0].labels is None


def test_jsonl_of_tokens(write):
    path = write(
        '{"tokens": ["a", "b"], "labels": ["B-X", "O"], "pos": ["D", "N"], "label": "c", "text": "a  b", "n": [1, 2]}\n'
        "\n"
        '{"tokens": ["NA"], "labels": ["O"], "pos": ["N"], "label": "c", "text": "moved on", "n": [1]}\n'
        '{"tokens": [], "labels": [], "pos": [], "label": "d", "text": " "}'
    )
    assert list(read_jsonl(path)) == [
        Sequence(("a", "b"), ("B-X", "O"), "c", {"pos": ("D", "N")}, "a  b", ((0, 1), (3, 4)), (1, 1)),
        Sequence(("NA",), ("O",), "c", {"pos": ("N",)}, lines=(3,)),
        Sequence((), (), "d", {"pos": ()}, " ", (), ()),
    ]


def test_jsonl_keys(write):
    tags = write('{"tokens": ["a"], "tags": ["B"], "pos": ["N"]}\n')
    assert read_jsonl(tags)[0] == Sequence(("a",), ("B",), columns={"pos": ("N",)}, lines=(1,))
    assert read_jsonl(tags, labels="pos", columns=())[0] == Sequence(("a",), ("N",), lines=(1,))
    renamed = write('{"words": ["a"], "ner": ["B"], "class": "c"}\n')
    assert read_jsonl(renamed, tokens="words", labels="ner", label="class")[0].label == "c"


def test_jsonl_of_several_labels(write):
    path = write('{"text": "a b", "label": ["x", "y"]}\n{"text": "c", "label": []}\n{"text": "d", "label": "x"}\n')
    assert [sequence.label for sequence in read_jsonl(path)] == [("x", "y"), (), "x"]
    path = write('{"tokens": ["a"], "topics": ["x"]}\n{"tokens": ["b", "c"], "topics": ["y", "x", "z"]}\n')
    topics = read_jsonl(path, label="topics")
    assert [(sequence.label, sequence.columns) for sequence in topics] == [(("x",), {}), (("y", "x", "z"), {})]


SPANS = [
    ("Ada went to New York.", [[0, 3, "PER"], [12, 20, "LOC"]], "Ada/B-PER went/O to/O New/B-LOC York/I-LOC ./O"),
    ("unhappily", [[2, 7, "ADJ"]], "un/O happi/B-ADJ ly/O"),
    ("ab", [[1, 2, "B"], [0, 1, "A"]], "a/B-A b/B-B"),
    ("a b", [[0, 1, "X"], [2, 3, "X"]], "a/B-X b/B-X"),
    ("👩x y", [[1, 4, "creative-work"]], "👩/O x/B-creative-work y/I-creative-work"),
    ("a", [], "a/O"),
]


@pytest.mark.parametrize(("text", "spans", "expected"), SPANS)
def test_jsonl_of_spans(write, text, spans, expected):
    objects = [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans]
    path = write("".join(json.dumps({"text": text, "spans": form}) + "\n" for form in (spans, objects)))
    corpus = read_jsonl(path)
    assert shown(corpus) == [expected, expected]
    assert corpus[0].text == text
    assert corpus[0].tokens == tuple(text[start:end] for start, end in corpus[0].offsets)


def test_jsonl_of_text(write):
    path = write('{"text": "so, good", "label": "1"}\n{"text": "", "label": "0"}\n')
    assert list(read_jsonl(path, tokenizer="words")) == [
        Sequence(("so", ",", "good"), label="1", text="so, good", offsets=((0, 2), (2, 3), (4, 8)), lines=(1, 1, 1)),
        Sequence((), label="0", text="", offsets=(), lines=()),
    ]


CSV = [
    ("a column that numbers", "sequence,token,label\n1,NA,O\n1,null,O\n\n2,007,B\n", {}, ["NA/O null/O", "007/B"]),
    ("blank rows", "token,label\na,O\n\nb,O\n,\nc,O\n", {}, ["a/O", "b/O", "c/O"]),
    ("quoted cells", 'token,label\n"a ""b"", c",O\n"""",O\n', {}, ['a "b", c/O "/O']),
    ("other names", "s,w,t\n1,a,O\n2,b,O\n", {"sequence": "s", "token": "w", "label": "t"}, ["a/O", "b/O"]),
    ("no labels", "token\na\nb\n", {}, ["a b"]),
    ("labels not wanted", "token,label\na,\n", {"label": None}, ["a"]),
    ("semicolons and CRLF", "token;label\r\na;O\r\n\r\nb;O\r\n", {"separator": ";"}, ["a/O", "b/O"]),
    ("a tab takes quotes as they are", 'token\tlabel\n"\tO\n"a\tO\n', {"separator": "\t"}, ['"/O "a/O']),
    ("byte-order mark", "\ufefftoken,label\na,O\n", {}, ["a/O"]),
    ("U+2028 in a cell", "token,label\na\u2028b,O\n", {}, ["a\u2028b/O"]),
    ("a header alone", "token,label\n", {}, []),
]


@pytest.mark.parametrize(("content", "options", "expected"), [c[1:] for c in CSV], ids=[c[0] for c in CSV])
def test_csv(write, content, options, expected):
    assert shown(read_csv(write(content, "a.csv"), **options)) == expected


def test_csv_keeps_columns_ids_and_lines(write):
    corpus = read_csv(write(',sequence,token,label,pos\n0,s1,"a\nb",O,X\n1,s1,c,O,Y\n'))
    assert list(corpus) == [Sequence(("a\nb", "c"), ("O", "O"), columns={"pos": ("X", "Y")}, lines=(2, 4), id="s1")]


def test_csv_of_texts_as_in_nsmc(write):
    path = write('id\tdocument\tlabel\n7\t"""굳 ㅋ"""\t1\n8\t\t0\n', "ratings.tsv")
    assert list(read_csv(path, sequence="id", text="document")) == [
        Sequence(('"""굳', 'ㅋ"""'), label="1", text='"""굳 ㅋ"""', offsets=((0, 4), (5, 9)), lines=(2, 2), id="7"),
        Sequence((), label="0", text="", offsets=(), lines=(), id="8"),
    ]


def test_lines_keeps_empty_ones(write):
    corpus = read_lines(write(" a <unk> b \n\nc\x85d"))
    assert [s.tokens for s in corpus] == [("a", "<unk>", "b"), (), ("c", "d")]
    assert corpus[0].text == " a <unk> b "
    assert corpus[2].lines == (3, 3)


def test_lines_from_gives_each_line_at_once():
    asked = []

    def stream():
        for line in ("\ufeffa b\n", "\r\n", "c"):
            asked.append(line)
            yield line

    sequences = lines_from(stream(), tokenizer="words")
    assert next(sequences).tokens == ("a", "b")
    assert len(asked) == 1
    assert [(s.text, s.tokens, s.lines) for s in sequences] == [("", (), ()), ("c", ("c",), (3,))]


def test_lines_from_refuses_what_is_no_text():
    stream = io.TextIOWrapper(io.BytesIO(b"a\n\xff\n"), encoding="utf-8")
    with pytest.raises(DataError, match=r"^standard input: expected text in utf-8; got bytes that are not"):
        list(lines_from(stream))


def test_labelled_lines(write):
    corpus = read_labelled_lines(write(f"DESC:manner How  did 1\\/2{NBSP}x ?\n0 \n"))
    assert corpus[0].tokens == ("How", "did", f"1\\/2{NBSP}x", "?")
    assert (corpus[0].label, corpus[0].text) == ("DESC:manner", f"How  did 1\\/2{NBSP}x ?")
    assert corpus[0].offsets[:2] == ((0, 3), (5, 8))
    assert (corpus[1].label, corpus[1].tokens) == ("0", ())
    last = read_labelled_lines(write("so good\tyes\n\n"), separator="\t", label_first=False)
    assert [(s.label, s.tokens) for s in last] == [("yes", ("so", "good"))]


def test_parallel_files(write):
    tokens = write("add  tune to  \nx\n", "seq.in")
    labels = write("O B-item O \nB-a#b \n", "seq.out")
    label = write("Add\natis_flight#atis_airfare\n", "label")
    corpus = read_parallel(tokens, labels, label)
    assert shown(corpus) == ["add/O tune/B-item to/O", "x/B-a#b"]
    assert [s.label for s in corpus] == ["Add", "atis_flight#atis_airfare"]
    assert read_parallel(tokens, labels)[1].label is None


# What is wrong, the reader, what stands in the file, the options, and what the message says after the path.
BROKEN = [
    (read_conll, "a x O\nb O\n", {}, ":2: expected 3 columns, as on line 1; got 2 in 'b O'."),
    (read_conll, "a O\n# b c\n", {}, ":2: expected 2 columns, as on line 1; got 3 in '# b c'. Pass comments='#'"),
    (
        read_conll,
        "a\n",
        {},
        ":1: expected the token and its label in two columns; got 1 column in 'a'. Pass label=None",
    ),
    (read_conll, "a O\n", {"columns": {"pos": 2}}, ":1: expected a column 2 for 'pos'; got 2 columns in 'a O'."),
    (read_conll, "a O\n", {"token": -3}, ":1: expected a column -3 for the token; got 2 columns"),
    (read_conll, "a\tO\n\tO\n", {}, ":2: expected a token of at least one character; got ''."),
    (read_conll, "a\tO\nb\t\n", {}, ":2: expected a label without white space around it; got ''."),
    (read_conll, "a\tO \n", {}, ":1: expected a label without white space around it; got 'O '."),
    (read_conllu, "1\ta\n", {}, ":1: expected 10 columns separated by tabs; got 2 in '1\\ta'."),
    (
        read_conllu,
        CONLLU.replace("4\tknow", "5\tknow"),
        {},
        ":8: expected the ID 4, a range from 4, or an empty node 3.1",
    ),
    (read_conllu, CONLLU.replace("4.1\t", "5.1\t"), {}, ":9: expected the ID 5, a range from 5, or an empty node 4.1"),
    (
        read_conllu,
        CONLLU.replace("2-3\t", "2-9\t"),
        {},
        ":5: expected the words of the range up to 9; got a sentence of 6",
    ),
    (read_conllu, CONLLU.replace("2-3\t", "2-1\t"), {}, ":5: expected the ID 2, a range from 2"),
    (read_conllu, CONLLU.replace("1\tI\tI", "9" * 5000 + "\tI\tI"), {}, ":4: expected the ID 1"),
    (
        read_conllu,
        CONLLU.replace("\n\n#", "\n#"),
        {},
        ":12: expected comments before the words of a sentence; got '# sent",
    ),
    (read_conllu, CONLLU.replace("\tAUX\t", "\t\t"), {}, ":6: expected a label without white space around it; got ''."),
    (
        read_conllu,
        CONLLU.replace("Case=", ""),
        {"label": "feats:Case"},
        ":4: expected features as Name=Value|Name=Value",
    ),
    (
        read_jsonl,
        '{"tokens": ["a"]}\n{"tokens": ["a"\n',
        {},
        ':2: expected one JSON object on the line; got \'{"tokens": [',
    ),
    (
        read_jsonl,
        '[\n{"tokens": ["a"]}]\n',
        {},
        ":1: expected one JSON object on the line; got '[' (Expecting value, column 2)",
    ),
    (
        read_jsonl,
        '[{"tokens": ["a"]}]\n',
        {},
        "(a list). Write each object on a line of its own, not as part of a list.",
    ),
    (read_jsonl, '{"text": "a", "p": NaN}\n', {}, ":1: expected one JSON object on the line; got "),
    (read_jsonl, '{"text": "a", "text": "b"}\n', {}, "(the key 'text' stands there twice)"),
    (read_jsonl, '{"text": "\\ud800"}\n', {}, ":1: expected one JSON object on the line; got "),
    (read_jsonl, "[" * 100_000 + "\n", {}, ":1: expected one JSON object on the line; got '[["),
    (read_jsonl, '{"n": ' + "1" * 5000 + "}\n", {}, ":1: expected one JSON object on the line; got "),
    (
        read_jsonl,
        '{"token": ["a"]}\n',
        {},
        ":1: expected an object with 'tokens', 'text' or 'frames'; got the keys ['token']. Did you",
    ),
    (read_jsonl, '{"tokens": ["a", 1]}\n', {}, ":1: expected a list of strings under 'tokens'; got ['a', 1]."),
    (read_jsonl, '{"tokens": "a"}\n', {}, ":1: expected a list of strings under 'tokens'; got 'a'."),
    (read_jsonl, '{"tokens": [""]}\n', {}, ":1: expected a token of at least one character; got ''."),
    (read_jsonl, '{"tokens": ["a"], "labels": [0]}\n', {}, ":1: expected a list of strings under 'labels'; got [0]."),
    (
        read_jsonl,
        '{"tokens": ["a"], "labels": []}\n',
        {},
        ":1: expected one string a token under 'labels', 1 in all; got 0.",
    ),
    (
        read_jsonl,
        '{"tokens": ["a"], "labels": [" "]}\n',
        {},
        ":1: expected a label without white space around it; got ' '.",
    ),
    (read_jsonl, '{"tokens": ["a"], "text": 1}\n', {}, ":1: expected a string under 'text'; got 1."),
    (read_jsonl, '{"tokens": ["a"], "spans": []}\n', {}, ":1: expected spans with text alone"),
    (read_jsonl, '{"text": "a", "labels": ["O"]}\n', {}, ":1: expected 'labels' and columns only beside 'tokens'"),
    (read_jsonl, '{"text": "a", "label": 1.5}\n', {}, ":1: expected a label without white space around it; got 1.5."),
    (read_jsonl, '{"text": "a", "label": true}\n', {}, "white space around it; got True."),
    (
        read_jsonl,
        '{"frames": 3}\n',
        {},
        ":1: expected rows of numbers of one length, and one label a frame if any",
    ),
    (
        read_jsonl,
        '{"frames": [[1], [1, 2]]}\n',
        {},
        "got rows of several lengths, or other things than numbers",
    ),
    (read_jsonl, '{"frames": [["1"]]}\n', {}, "got rows of several lengths, or other things than numbers"),
    (read_jsonl, '{"frames": [[1]], "labels": ["a", "b"]}\n', {}, "got ['a', 'b'] under 'labels' for 1 frames."),
    (read_jsonl, '{"frames": [[1]], "text": "a"}\n', {}, ":1: expected 'frames' without tokens or text; got 'text'"),
    (
        read_jsonl,
        '{"text": "a", "label": ["x", ""]}\n',
        {},
        ":1: expected a label without white space around it; got ''",
    ),
    (
        read_jsonl,
        '{"text": "a", "label": ["x", "x"]}\n',
        {},
        ":1: expected each label once under 'label'; got ['x', 'x']",
    ),
    (
        read_jsonl,
        '{"tokens": ["a"], "pos": ["N"]}\n{"tokens": ["a", "b"], "pos": ["N"]}\n',
        {},
        ":2: expected one string a token under 'pos', 2 in all; got 1",
    ),
    (read_jsonl, '{"tokens": ["a"]}\n', {"columns": ["pos"]}, ":1: expected a list of strings under 'pos'; got None."),
    (
        read_jsonl,
        '{"text": "a", "label": "x"}\n{"text": "a"}\n',
        {},
        ":2: expected the keys ['text', 'label'], as on line 1",
    ),
    (
        read_jsonl,
        '{"text": "a b", "spans": [[0, 4, "X"]]}\n',
        {},
        ":1: expected a span inside the 3 characters of the text",
    ),
    (
        read_jsonl,
        '{"text": "a b", "spans": [[1, 1, "X"]]}\n',
        {},
        ":1: expected a span inside the 3 characters of the text",
    ),
    (
        read_jsonl,
        '{"text": "a b", "spans": [[0, 2, "X"]]}\n',
        {},
        ":1: expected a span that begins and ends with a word",
    ),
    (read_jsonl, '{"text": "a b", "spans": [[0, true, "X"]]}\n', {}, ":1: expected a span as [start, end, label]"),
    (read_jsonl, '{"text": "a b", "spans": [{"start": 0}]}\n', {}, ":1: expected a span as [start, end, label]"),
    (read_jsonl, '{"text": "a b", "spans": {}}\n', {}, ":1: expected a list of spans under 'spans'; got {}."),
    (read_jsonl, '{"text": "a b", "spans": [[0, 1, ""]]}\n', {}, ":1: expected a label without white space around it"),
    (
        read_jsonl,
        '{"text": "a b", "spans": [[2, 3, "X"], [0, 3, "Y"]]}\n',
        {},
        ":1: expected spans that do not overlap; got 'a b' [0, 3, 'Y'] and, inside it, 'b' [2, 3, 'X']. "
        "A token has one label, so a tagger has one layer of spans: keep one of the two, or put each layer into data",
    ),
    (
        read_jsonl,
        '{"text": "a b c", "spans": []}\n{"text": "a b c", "spans": [[0, 3, "X"], [2, 5, "Y"]]}\n',
        {},
        ":2: expected spans that do not overlap; got 'a b' [0, 3, 'X'] and, across its end, 'b c' [2, 5, 'Y'].",
    ),
    (
        read_jsonl,
        '{"text": "a b", "spans": [{"start": 0, "end": 1, "label": "X"}, {"start": 0, "end": 1, "label": "Y"}]}\n',
        {},
        ":1: expected spans that do not overlap; got 'a' [0, 1, 'X'] and, over the same stretch, 'a' [0, 1, 'Y'].",
    ),
    (read_csv, "", {}, ": expected a header line with the names of the columns; got an empty file."),
    (
        read_csv,
        "tokens,label\na,O\n",
        {},
        ": expected a column 'token'; got the columns ['tokens', 'label']. Did you mean 'tokens'",
    ),
    (read_csv, "token\tlabel\na\tO\n", {}, ": expected a column 'token'; got the columns ['token\\tlabel']. "),
    (read_csv, "token\na\n", {"label": "tag"}, ": expected a column 'tag'; got the columns ['token']."),
    (read_csv, "token,token\na,O\n", {}, ":1: expected a name for each column; got 'token' twice."),
    (read_csv, 'token,label\n"a\nb",O\nc\n', {}, ":4: expected 2 cells, as in the header; got 1: ['c']."),
    (read_csv, 'token,label\n"a,O\nb,O\n', {}, ":2: expected cells separated by ',', with each quotation mark closed"),
    (read_csv, "token,label\na,O\n,O\n", {}, ":3: expected a token of at least one character; got ''."),
    (read_csv, "token,label\na,\n", {}, ":2: expected a label without white space around it; got ''."),
    (
        read_csv,
        "sequence,token\n1,a\n2,b\n1,c\n",
        {},
        ":4: expected a value under 'sequence', the same in consecutive rows",
    ),
    (read_csv, "sequence,token\n1,a\n,b\n", {}, ":3: expected a value under 'sequence'"),
    (read_csv, "text,label\na,\n", {"text": "text"}, ":2: expected a label without white space around it; got ''."),
    (read_labelled_lines, "1 a\n2\n", {}, ":2: expected label, separator, sentence with the separator ' '; got '2'."),
    (read_labelled_lines, "1\tgood film\n", {}, ":1: expected label, separator, sentence with the separator ' '"),
    (read_labelled_lines, " 1 good\n", {}, ":1: expected a label without white space around it; got ''."),
    (
        read_lines,
        b"a\nb\n\xff\n",
        {},
        ":3: expected text in utf-8; got the byte 0xFF (invalid start byte). Name the encoding",
    ),
    (read_lines, "a\n".encode("utf-16"), {}, ":1: expected text in utf-8; got the byte 0x"),
]


@pytest.mark.parametrize(("reader", "content", "options", "message"), BROKEN)
def test_broken_file_is_refused(write, reader, content, options, message):
    path = write(content)
    with pytest.raises(DataError) as error:
        reader(path, **options)
    assert str(error.value).startswith(f"{path}:")
    assert message in str(error.value)
    assert len(str(error.value)) < 500


def test_parallel_files_beside_are_found_by_their_names(write, tmp_path):
    """The format that a configuration names: the words' file, or its folder; the others lie beside it."""
    tokens = write("book  a table \n\nx\n", "seq.in")
    write("O O B-what \n\nO\n", "seq.out")
    write("Book\nnone\na#b\n", "label")
    corpus = read(tokens, "parallel")
    assert [s.label for s in corpus] == ["Book", "none", "a#b"] and corpus[0].labels == ("O", "O", "B-what")
    assert read(tmp_path, "parallel").sequences == corpus.sequences
    assert read(tokens, "parallel", {"label": None})[0].label is None
    write("N N N\n\nN\n", "other")
    assert read(tokens, "parallel", {"labels": "other"})[0].labels == ("N", "N", "N")
    assert tuple(iterate(tokens, "parallel")) == corpus.sequences
    for reader in (read, lambda *given: list(iterate(*given))):
        with pytest.raises(DataError, match="absent: there is no such file"):
            reader(tokens, "parallel", {"labels": "absent"})
        write("O O O\n\n", "shorter")
        with pytest.raises(DataError, match="shorter: expected the 3 lines of "):
            reader(tokens, "parallel", {"labels": "shorter"})


CONLL_INTENTS = """# intent = play music

play\tO
jazz\tB-genre

# id = 3
# intent = alarm
# another = comment
wake\tO
#\tO

six\tB-time
"""


def test_the_intent_of_a_conll_sentence_stands_in_a_comment(write):
    corpus = read(write(CONLL_INTENTS), "conll", {"intent": "intent"})
    assert [(s.tokens, s.label) for s in corpus] == [
        (("play", "jazz"), "play music"),
        (("wake", "#"), "alarm"),
        (("six",), None),
    ]
    assert [s.label for s in read(write(CONLL_INTENTS), "conll", {"intent": "id"})] == [None, "3", None]
    assert [s.label for s in read(write(CONLL_INTENTS), "conll", {"comments": "# "})] == [None] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\n# intent = x\nb O\n", "x.conll:2: expected the comment 'intent' before the first token of its sentence"),
        ("# intent =\na O\n", "x.conll:1: expected a label without white space around it; got ''"),
    ],
)
def test_what_is_wrong_with_an_intent_is_named(write, content, message):
    with pytest.raises(DataError) as error:
        read(write(content, "x.conll"), options={"intent": "intent"})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("labels", "label", "message"),
    [
        ("O\n", "x\ny\n", "seq.out: expected the 2 lines of "),
        ("O O\nO\n", "x\n", "label: expected the 2 lines of "),
        ("O O\nO O\n", "x\ny\n", "seq.out:2: expected one label for each of the 1 tokens of "),
        ("O O\nO\n", "x\n \n", "label:2: expected a label without white space around it; got ''."),
    ],
)
def test_parallel_files_must_agree(write, labels, label, message):
    tokens = write("a b\nc\n", "seq.in")
    with pytest.raises(DataError) as error:
        read_parallel(tokens, write(labels, "seq.out"), write(label, "label"))
    assert message in str(error.value)


# The files themselves

READ_ONE = {
    "conll": ("a O\n", {}),
    "conllu": (CONLLU, {}),
    "jsonl": ('{"text": "a"}\n', {}),
    "csv": ("token\na\n", {}),
    "lines": ("a\n", {}),
    "labelled_lines": ("1 a\n", {}),
}


def test_every_reader_is_tried():
    assert {*READ_ONE, "npz", "parallel"} == set(READERS.names())  # see test_npz.py, test_parallel_files_beside


@pytest.mark.parametrize("name", READ_ONE)
def test_every_reader_of_text_reads_every_packing(write, name):
    content, options = READ_ONE[name]
    plain = read(write(content, "x"), name, options)
    assert plain.n_tokens
    packed = gzip.compress(content.replace("\n", "\r\n").encode(), mtime=0)
    assert read(write(packed, "x.gz"), name, options).sequences == plain.sequences
    assert (
        read(str(write(content.encode("utf-16"), "y")), name, {**options, "encoding": "utf-16"}).sequences
        == plain.sequences
    )


@pytest.mark.parametrize("name", READERS.names())
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(bytes(range(256)), mtime=0)[:-9], "the gzip archive is cut off or broken"),
        (gzip.compress(b"a O\n", mtime=0)[:-8] + b"12345678", "the gzip archive is cut off or broken"),
        (gzip.compress(b"a O\n", mtime=0)[:12] + b"\xff" * 20, "the gzip archive is cut off or broken"),
        (b"a O\n", "expected a gzip archive; got one that begins with b'a O\\n'"),
        (b"", "expected a gzip archive; got one that begins with b''"),
    ],
)
def test_broken_archive_is_refused(write, name, content, message):
    path = write(content, "x.conll.gz")
    with pytest.raises(DataError) as error:
        read(path, name)
    assert str(error.value).startswith(f"{path}: {message}")


def test_missing_file_and_folder_are_refused(write):
    path = write("a O\n", "train.conll")
    with pytest.raises(DataError, match=r"trian.conll: there is no such file. Did you mean 'train.conll'?"):
        read(path.with_name("trian.conll"))
    with pytest.raises(DataError, match=r"there is no such file. Check the path"):
        read(path.parent / "no" / "x.conll")
    with pytest.raises(DataError, match="expected a file; got a folder"):
        read(path.parent, "conll")
    with pytest.raises(DataError, match="the file cannot be read"):
        read(path / "x.conll")
    with pytest.raises(DataError, match="the file cannot be read"):
        read("a\0.conll")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.conllu", "conllu"),
        ("a.CONLLU.GZ", "conllu"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.csv", "csv"),
        ("a.tsv", "csv"),
        ("a.npz", "npz"),
        ("a.npz.gz", "npz"),
        *((f"a{suffix}", "conll") for suffix in (".conll", ".txt", ".iob", ".bio", ".iob2", ".bioes", ".annotated")),
    ],
)
def test_detect_format(name, expected):
    assert detect_format(name) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.jsonlines",), r"a.jsonlines: the format must be named .* got '.jsonlines'.* Did you mean '.jsonl'"),
        (("a.txt", "conl"), r"format must be one of conll, .*; got 'conl'. Did you mean 'conll'"),
        (
            ("a.txt", "conll", {"lable": 1}),
            r"options of format 'conll' must be among .*; got 'lable'. Did you mean 'label'",
        ),
        (("a.txt", "conll", {"path": "b"}), r"options of format 'conll' must be among .*; got 'path'"),
        (("a.txt", "conll", {"token": "word"}), r"option token of format 'conll' must be an int; got 'word'"),
        (
            ("a.conllu", None, {"columns": "feats"}),
            r"option columns of format 'conllu' must be a list or tuple; got 'feats'",
        ),
        (
            ("a.conllu", None, {"label": "pos"}),
            r"a column of CoNLL-U must be one of .*; got 'pos'. Did you mean 'xpos'",
        ),
        (("a.conllu", None, {"label": "feats:"}), r"a column of CoNLL-U must be one of .*; got 'feats:'"),
        (("a.txt", "lines", {"tokenizer": "word"}), r"tokenizer must be one of .* got 'word'. Did you mean 'words'"),
        (("a.txt", "conll", {"separator": ""}), r"separator must have at least one character"),
        (("a.txt", "labelled_lines", {"separator": ""}), r"separator must have at least one character"),
    ],
)
def test_wrong_request_is_refused_before_the_file_is_opened(arguments, message):
    with pytest.raises(ConfigError, match=message):
        read(*arguments)


def test_wrong_option_is_refused(write):
    path = write("a O\n")
    for encoding in ("utf8x", "rot13", "a\0"):
        with pytest.raises(ConfigError, match="encoding must be one that Python knows"):
            read(path, options={"encoding": encoding})
    with pytest.raises(ConfigError, match="separator must be one character"):
        read(path, "csv", {"separator": "||"})
    with pytest.raises(ConfigError, match="the column of 'pos' must be an int; got '1'"):
        read(path, options={"columns": {"pos": "1"}})
    assert read(path, options={"columns": {"pos": 1}})[0].columns == {"pos": ("O",)}


def test_encodings(write):
    assert read_labelled_lines(write(b"LOC:city sister\xf0city\n"), encoding="latin-1")[0].tokens == ("sister\xf0city",)
    assert shown(read_conll(write("가 O\n".encode("cp949")), encoding="cp949")) == ["가/O"]
    assert shown(read_conll(write("\ufeff가 O\n"), encoding="utf-8-sig")) == ["가/O"]
    with pytest.raises(DataError, match=r":2: expected text in utf-8-sig; got the byte 0xFF"):
        read_conll(write(b"\xef\xbb\xbfa O\n\xff O\n"), encoding="utf-8-sig")
    with pytest.raises(DataError, match="for example encoding='utf-16'"):
        read_conll(write("a O\n".encode("utf-16")))


# Write, then read

nasty = st.text(min_size=1).filter(
    lambda text: text != "-DOCSTART-" and not set(text) & set("\t\r\n")
) | st.sampled_from(
    [
        "#",
        "# text",
        NBSP,
        "\u2028",
        "\x85",
        "NA",
        "null",
        '"',
        "-",
        "_",
        "\0",
        "\ufeff",
        "👩\u200d👧",
        "\\",
        ",",
        "한글",
        " ",
    ]
)
tags = st.sampled_from(["O", "B-creative-work", "I-a#b", "1", "한", "B-"])
sentences = st.lists(st.lists(st.tuples(nasty, tags), min_size=1), min_size=1)
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@many
@given(sentences)
@example([[("-DOCSTARTS-", "O")]])
def test_conll_round_trip(write, data):
    content = "".join("".join(f"{token}\t{tag}\n" for token, tag in sentence) + "\n" for sentence in data)
    corpus = read_conll(write("\ufeff" + content))
    assert [list(zip(s.tokens, s.labels, strict=True)) for s in corpus] == data


@many
@given(sentences, st.booleans())
def test_jsonl_round_trip(write, data, ascii_only):
    objects = [{"tokens": [token for token, _ in s], "labels": [tag for _, tag in s]} for s in data]
    content = "".join(json.dumps(item, ensure_ascii=ascii_only) + "\n" for item in objects)
    corpus = read_jsonl(write(content))
    assert [{"tokens": list(s.tokens), "labels": list(s.labels)} for s in corpus] == objects


pieces = st.sampled_from(
    ['{"text": "a b", "spans": [[', '"tokens": ["', "1\ta\t", "-DOCSTART-", '"', ",", "\n", "\r", "\0", "# "]
)


@many
@given(
    st.binary() | st.lists(pieces | st.text(max_size=3)).map(lambda parts: "".join(parts).encode("utf-8", "replace"))
)
def test_whatever_a_file_holds_it_is_read_whole_or_refused(write, content):
    path = write(content)
    for name in READERS:
        try:
            read(path, name)
        except DataError as error:
            assert str(error).startswith(str(path) if name != "parallel" else str(path.parent))


# The real files: what is published of each

COUNTS = [
    ("conll2000/train.txt.gz", "conll", {}, (8936, 211727, 22, 106978)),
    ("conll2000/test.txt", "conll", {}, (2012, 47377, 19, 23852)),
    ("wnut17/wnut17train.conll", "conll", {}, (3394, 62730, 13, 1975)),
    ("wnut17/emerging.dev.conll", "conll", {}, (1009, 15733, 13, 836)),
    ("wnut17/emerging.test.annotated", "conll", {}, (1287, 23394, 13, 1079)),
    ("ud-english-ewt/en_ewt-ud-dev.conllu.gz", "conllu", {}, (2001, 25147, 17, 0)),
    ("ud-english-ewt/en_ewt-ud-test.conllu.gz", "conllu", {"label": "xpos"}, (2077, 25094, 48, 0)),
    ("ud-korean-gsd/ko_gsd-ud-dev.conllu", "conllu", {"label": "xpos"}, (950, 11958, 534, 0)),
    ("ud-korean-gsd/ko_gsd-ud-test.conllu", "conllu", {}, (989, 11677, 14, 0)),
    ("trec/TREC.train", "labelled_lines", {"encoding": "latin-1"}, (5452, 55635, 50, 0)),
    ("trec/TREC.test", "labelled_lines", {}, (500, 3758, 42, 0)),
    # three tokens less than str.split() gives, which cuts at U+00A0
    ("sst2/stsa.binary.train", "labelled_lines", {}, (6920, 133552, 2, 0)),
    ("sst2/stsa.binary.dev", "labelled_lines", {}, (872, 17046, 2, 0)),
    ("ptb-lm/ptb.valid.txt", "lines", {}, (3370, 70390, 0, 0)),
    ("tinyshakespeare/input.txt.gz", "lines", {}, (40000, 202651, 0, 0)),
]
SLOW_COUNTS = [
    ("ud-english-ewt/en_ewt-ud-train.conllu.gz", "conllu", {}, (12544, 204577, 17, 0)),
    ("ud-korean-gsd/ko_gsd-ud-train.conllu.gz", "conllu", {"label": "xpos"}, (4400, 56687, 1067, 0)),
    ("nsmc/ratings_train.txt.gz", "csv", {"separator": "\t", "text": "document"}, (150000, 1137736, 2, 0)),
    ("nsmc/ratings_test.txt.gz", "csv", {"separator": "\t", "text": "document"}, (50000, 380472, 2, 0)),
    ("ptb-lm/ptb.train.txt.gz", "lines", {}, (42068, 887521, 0, 0)),
]


@pytest.mark.parametrize(
    ("path", "format", "options", "expected"),
    [*COUNTS, *(pytest.param(*row, marks=pytest.mark.slow) for row in SLOW_COUNTS)],
)
def test_published_counts(shared_data, path, format, options, expected):
    corpus = read(shared_data / path, format, options)
    labels = Counter(label for s in corpus for label in s.labels or (() if s.label is None else (s.label,)))
    spans = sum(count for label, count in labels.items() if label.startswith("B-"))
    assert (len(corpus), corpus.n_tokens, len(labels), spans) == expected


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("atis/train", (4478, 50497, 120, 14851, 21)),
        ("atis/valid", (500, 5703, 96, 1709, 16)),
        ("atis/test", (893, 9164, 101, 2837, 20)),
        ("snips/train", (13084, 117700, 72, 33958, 7)),
        ("snips/valid", (700, 6384, 70, 1794, 7)),
        ("snips/test", (700, 6354, 70, 1790, 7)),
    ],
)
def test_published_counts_of_parallel_files(shared_data, folder, expected):
    corpus = read_parallel(*(shared_data / folder / name for name in ("seq.in", "seq.out", "label")))
    labels = Counter(label for s in corpus for label in s.labels)
    spans = sum(count for label, count in labels.items() if label.startswith("B-"))
    assert (len(corpus), corpus.n_tokens, len(labels), spans, len({s.label for s in corpus})) == expected


def test_trec_is_not_utf8(shared_data):
    with pytest.raises(DataError, match=r"TREC.train:\d+: expected text in utf-8; got the byte 0xF0"):
        read(shared_data / "trec/TREC.train", "labelled_lines")


def test_every_word_of_ewt_stands_in_its_text(shared_data):
    corpus = read(shared_data / "ud-english-ewt/en_ewt-ud-test.conllu.gz")
    assert all(s.id and s.group and s.text for s in corpus)
    assert len({s.group for s in corpus}) == 316
    assert all(s.tokens == tuple(s.text[a:b] for a, b in s.offsets) for s in corpus)


def test_jsonl_of_numbers(write):
    path = write(
        '{"frames": [[0.5, null], [1, 2]], "labels": ["up", "down"], "label": 3}\n'
        '{"frames": [], "labels": [], "label": 4}\n'
    )
    first, empty = read_jsonl(path)
    assert first == Sequence(frames=np.array([[0.5, np.nan], [1, 2]]), labels=("up", "down"), label="3")
    assert len(empty) == 0 and empty.label == "4"
    single = read_jsonl(write('{"frames": [1, 2, 3]}\n'))[0]
    assert single.frames.tolist() == [[1.0], [2.0], [3.0]]
