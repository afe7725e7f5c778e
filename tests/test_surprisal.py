"""Surprisal as a picture and as shaded text, of words, characters and bytes, in any script."""

import math
import re

import pytest

from seqtag import plots
from seqtag.data.surprisal import Surprisal, as_written, visible
from seqtag.errors import DataError, ParameterError, SeqtagError
from seqtag.shading import surprisal_to_html, surprisal_to_text

ANSI = re.compile(r"\x1b\[[0-9;]*m")
TEXT = "a <b>\t안 שלום\nक्"


def characters(text, bits=2.0, unknown=""):
    symbols = [Surprisal(char, bits, char not in unknown) for char in text]
    return [*symbols, Surprisal("<eos>", 1.0, True)]


def of_bytes(data):
    return [Surprisal(chr(byte), 1.5, True) for byte in data]


END = Surprisal("<eos>", 1.0, True)


class TestAsWritten:
    def test_bytes_become_characters_whose_bits_are_the_sum(self):
        found = as_written([*of_bytes("a안é".encode()), END], "bytes")
        assert found == [("a", 1.5, True), ("안", 4.5, True), ("é", 3.0, True), END]

    @pytest.mark.parametrize("data", [b"\xff", b"a\xec\x95", b"\xec\x95a", b"\xe9\xe9", "안".encode()[:2]])
    @pytest.mark.parametrize("end", [[], [END]])
    def test_broken_bytes_lose_no_bits_and_are_seen(self, data, end):
        found = as_written([*of_bytes(data), *end], "bytes")
        assert "".join(one.symbol for one in found[: len(found) - len(end)]) == data.decode("utf-8", "replace")
        assert sum(one.bits for one in found) == pytest.approx(1.5 * len(data) + len(end))

    def test_other_levels_stay_as_they_are(self):
        assert as_written(characters(TEXT), "characters") == characters(TEXT)

    def test_every_symbol_can_be_seen(self):
        assert [visible(char) for char in " \n\ta안्"] == ["␣", "↵", "⇥", "a", "안", "◌्"]


class TestShading:
    def test_plain_text_has_the_bits_behind_each_symbol(self):
        found = [Surprisal("the", 0.51, True), Surprisal("zebra", 7.25, False), END]
        assert surprisal_to_text(found) == "the/0.5 zebra/7.2? <eos>/1.0"
        assert surprisal_to_text(characters("a \n"), level="characters") == "a/2.0 ␣/2.0 ↵/2.0 <eos>/1.0"

    def test_colours_add_nothing_but_colours(self):
        coloured = surprisal_to_text(characters(TEXT), level="characters", color=True)
        assert ANSI.sub("", coloured) == TEXT.replace("\n", "↵\n") + "<eos>" != coloured
        assert ANSI.sub("", surprisal_to_text([Surprisal("the", 3.0, True), END], color=True)) == "the <eos>"

    def test_the_more_surprising_the_stronger(self):
        shades = [
            re.findall(r"48;5;(\d+)", surprisal_to_text([Surprisal("a", bits, True)], color=True))
            for bits in (0.0, 3.0, 5.0, 7.0, 9.0, 11.0)
        ]
        assert shades[0] == [] and len({shade[0] for shade in shades[1:]}) == 5
        assert surprisal_to_text([Surprisal("a", 99.0, True)], color=True).count("\x1b[") == 2

    def test_no_text_commands_the_terminal(self):
        found = surprisal_to_text(characters("\x1b[2J\x9b"), level="characters", color=True)
        assert ANSI.sub("", found) == "\ufffd[2J\ufffd<eos>"

    def test_html_is_escaped_and_keeps_the_text(self):
        found = surprisal_to_html(characters('<b>"&\n안', unknown="안"), level="characters")
        bare = re.sub(r"<(?:div|span) [^>]*>|</(?:div|span)>", "", found)
        assert bare == "&lt;b&gt;&quot;&amp;↵\n안&lt;eos&gt;"
        assert 'title="&quot;: 2.00 bits"' in found and 'title="안: 2.00 bits, unknown"' in found
        assert found.count("dotted") == 1 and found.startswith('<div dir="auto"')

    @pytest.mark.parametrize("write", [surprisal_to_text, surprisal_to_html])
    def test_refuses_what_is_out_of_range(self, write):
        with pytest.raises(ParameterError, match="strongest must be a number of bits above 0; got 0"):
            write([END], strongest=0)
        with pytest.raises(ParameterError, match="got nan"):
            write([END], strongest=math.nan)
        with pytest.raises(SeqtagError, match="level must be one of"):
            write([END], level="letters")


class TestPicture:
    @pytest.fixture(autouse=True)
    def _matplotlib(self):
        pytest.importorskip("matplotlib", reason="pictures need matplotlib")

    def test_a_bar_a_symbol_in_rows(self):
        found = [Surprisal(f"w{i}", float(i), i != 4) for i in range(7)]
        figure = plots.plot_surprisal(found, columns=3)
        assert [[bar.get_height() for bar in axes.patches] for axes in figure.axes] == [[0, 1, 2], [3, 4, 5], [6]]
        names = [[label.get_text() for label in axes.get_xticklabels()] for axes in figure.axes]
        assert names == [["w0", "w1", "w2"], ["w3", "w4", "w5"], ["w6"]]
        assert len({axes.get_ylim() for axes in figure.axes}) == len({axes.get_xlim() for axes in figure.axes}) == 1
        hatched = [bar.get_height() for axes in figure.axes for bar in axes.patches if bar.get_hatch()]
        assert hatched == [4] and figure.get_supxlabel() == "hatched: unknown to the model"
        assert figure.get_suptitle() == "Surprisal: 3.00 bits a symbol"

    @pytest.mark.parametrize("level", ["words", "characters", "bytes"])
    def test_every_script_is_drawn(self, level, tmp_path):
        symbols = TEXT.split() if level == "words" else TEXT
        found = of_bytes(TEXT.encode()) if level == "bytes" else characters(symbols)
        figure = plots.plot_surprisal(found, level=level, title="$x$ 서울")
        names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
        assert len(names) == len(symbols) + (level != "bytes") and all(names)
        if level != "words":
            assert "␣" in names and "↵" in names
        assert plots.save_figure(figure, tmp_path / "picture.png").stat().st_size > 1000

    @pytest.mark.parametrize(
        ("found", "options", "said"),
        [
            ([], {}, "must have 1 to 600 symbols; got 0"),
            ([END] * 601, {}, "got 601. Pass a part of it"),
            ([END], {"columns": 0}, "columns must be a whole number from 1 on; got 0"),
            ([END], {"level": "word"}, "Did you mean 'words'"),
        ],
    )
    def test_refuses_what_cannot_be_drawn(self, found, options, said):
        with pytest.raises((DataError, SeqtagError), match=said):
            plots.plot_surprisal(found, **options)
