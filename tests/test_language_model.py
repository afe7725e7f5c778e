"""Language models: what is learned, scored and written, against computations by hand."""

import itertools
import pickle

import numpy as np
import pytest

import seqtag
from seqtag import LanguageModel, LanguagePredictor
from seqtag.bundle import Bundle
from seqtag.data.symbols import END, UNKNOWN
from seqtag.errors import BundleError, DataError, NotFittedError, ParameterError
from seqtag.language import Sampling
from seqtag.predictor import Predictor
from seqtag.reference import run_stack

TEXTS = ["the cat sat on the mat", "the dog sat on the rug", "a bird sang", "the bird sat"] * 15
FEW = ["the cat sat on the rug", "", "a dog sang on the mat and sat", "the zebra sat"]


def small(**options):
    return LanguageModel(
        **{"units": 8, "epochs": 8, "steps": 10, "random_state": 0, "learning_rate": 2e-2, "dropout": 0.1} | options
    )


@pytest.fixture(scope="module")
def words():
    return small().fit(TEXTS)


@pytest.fixture(scope="module")
def characters():
    return small(level="characters", continuous=True, layers=2, cell="gru", embedding=5, epochs=2).fit(TEXTS)


@pytest.fixture(scope="module")
def models(words, characters):
    backwards = small(go_backwards=True, tied=False, cell="simple_rnn", epochs=2).fit(TEXTS)
    residual = small(level="bytes", layers=2, residual=True, layer_norm=True, weight_dropout=0.2, epochs=2).fit(TEXTS)
    return {"words": words, "characters": characters, "backwards": backwards, "bytes": residual}


def by_hand(model, ids):
    """Compute log p of each id and the end with the equations in NumPy, one text from the first state on."""
    weights = model.bundle_.weights()
    table = weights["symbols_vectors/embeddings"]
    inputs = table[np.concatenate([[END], ids]).astype(int)]
    states = run_stack(model.bundle_.manifest["network"]["stack"], weights, inputs)[-1].output
    if "projection/kernel" in weights:
        states = states @ weights["projection/kernel"] + weights["projection/bias"]
    scores = states @ table.T + weights["scores/biases/embeddings"][:, 0]
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return log_p[np.arange(len(ids) + 1), np.concatenate([ids, [END]]).astype(int)]


class TestScore:
    def test_is_that_of_the_equations(self, words):
        expected = [by_hand(words, words.predictor_.table.encode(text)) for text in FEW]
        for found, wanted in zip(words.log_probabilities(FEW), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert words.score(FEW) == pytest.approx(np.concatenate(expected).mean(), abs=1e-5)

    def test_of_continuous_texts_carries_the_state_on(self, characters):
        table = characters.predictor_.table
        stream = np.concatenate([part for text in FEW for part in (table.encode(text), [END])])[:-1]
        expected = by_hand(characters, stream)
        np.testing.assert_allclose(np.concatenate(characters.log_probabilities(FEW)), expected, atol=1e-5)

    def test_counts_the_ends_of_texts(self, words):
        n = sum(len(text.split()) + 1 for text in FEW)
        total = sum(map(np.sum, words.log_probabilities(FEW)))
        assert words.perplexity(FEW) == pytest.approx(np.exp(-total / n))
        assert words.bits_per_symbol(FEW) == pytest.approx(-total / n / np.log(2))

    @pytest.mark.parametrize("name", ["words", "characters", "backwards", "bytes"])
    def test_a_distribution_sums_to_one(self, models, name):
        found = models[name].predict_next(["the cat", "", "zebra"])
        np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-5)
        assert found.shape == (3, len(models[name].symbols_))

    def test_texts_for_themselves_do_not_depend_on_order_or_company(self, words, monkeypatch):
        forward = words.log_probabilities(FEW)
        for found, wanted in zip(words.log_probabilities(FEW[::-1])[::-1], forward, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
        monkeypatch.setattr("seqtag.language.reading.TOKENS", 2)
        for found, wanted in zip(words.log_probabilities(FEW), forward, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)

    def test_learns(self, words):
        chance = np.log(1 / len(words.symbols_))
        assert words.score(TEXTS) > chance + 0.8
        shuffled = [" ".join(reversed(text.split())) for text in TEXTS]
        assert words.score(TEXTS) > words.score(shuffled) + 0.3

    def test_backwards_reads_from_the_end(self, models):
        model = models["backwards"]
        found = model.surprisal(["the cat sat"])[0]
        assert [one.symbol for one in found] == ["sat", "cat", "the", "<eos>"]
        with pytest.raises(DataError, match="reads texts from their ends"):
            model.generate("the")


class TestGenerate:
    def test_greedy_takes_the_most_probable(self, words):
        written = ["the", "cat"]
        for _ in range(6):
            following = words.predict_next([" ".join(written)])[0]
            following[UNKNOWN] = 0
            if following.argmax() == END:
                break
            written.append(words.symbols_[following.argmax()])
        assert words.generate("the cat", temperature=0, max_symbols=6) == "".join(f" {w}" for w in written[2:])

    def test_a_seed_repeats_it_and_pieces_make_the_whole(self, models):
        for name in ("words", "characters", "bytes"):
            model = models[name]
            sampling = Sampling(max_symbols=30, seed=3)
            pieces = list(model.stream("the", sampling))
            assert "".join(pieces) == model.generate("the", max_symbols=30, seed=3)
            assert model.generate("the", max_symbols=30, seed=4) != "".join(pieces)

    def test_draws_as_often_as_it_is_probable(self, words):
        first = words.predict_next([""])[0]
        first[UNKNOWN] = 0
        first /= first.sum()
        drawn = [words.generate("", max_symbols=1, seed=seed) for seed in range(400)]
        for symbol, p in zip(words.symbols_[2:], first[2:], strict=True):
            deviation = (400 * p * (1 - p)) ** 0.5
            assert abs(drawn.count(symbol) - 400 * p) < 4 * deviation + 1

    def test_beams_find_what_enumeration_finds(self, words):
        table = words.predictor_.table
        size, begun = len(table), "the cat"
        given = len(table.encode(begun))
        best, best_score = "", -np.inf
        choices = range(2, size)
        for n in range(3):
            for ids in itertools.product(choices, repeat=n):
                text = " ".join([begun, *(table.symbols[i] for i in ids)])
                score = float(words.log_probabilities([text])[0][given:].sum())
                if n == 2:  # as long as is asked for: the end need not follow
                    score -= float(words.log_probabilities([text])[0][-1])
                if score > best_score:
                    best, best_score = text, score
        assert begun + words.generate(begun, beams=size**2, max_symbols=2) == best

    def test_stops_before_a_word(self, characters):
        whole = characters.generate("the ", max_symbols=60, seed=1)
        stop = whole[20:22]
        assert characters.generate("the ", max_symbols=60, seed=1, stop=[stop, "\x00"]) == whole[: whole.find(stop)]

    def test_continuous_texts_go_on_behind_an_end(self, characters):
        assert len(characters.generate("", max_symbols=200, seed=0)) == 200

    def test_unknown_words_are_written_only_if_allowed(self):
        model = small(min_count=16, epochs=3).fit(TEXTS)
        assert "<unk>" not in model.generate(max_symbols=50, seed=0)
        assert "<unk>" in " ".join(model.generate(max_symbols=50, seed=s, unknown=True) for s in range(5))

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"temperature": -1}, "temperature must be a number from 0 on; got -1"),
            ({"top_k": 0}, "top_k must be a whole number from 1 on"),
            ({"top_p": 1.5}, "top_p must be a number above 0 and at most 1"),
            ({"max_symbols": 0}, "max_symbols must be a whole number"),
            ({"beams": 2, "temperature": 0.5}, "beams above 1 draw nothing"),
            ({"stop": [""]}, "stop must be a string, or several, none of them empty"),
        ],
    )
    def test_refuses_what_is_out_of_range(self, words, options, said):
        with pytest.raises(ParameterError, match=said):
            words.generate("", **options)


class TestRank:
    def test_sums_what_follows_the_context(self, words):
        found = words.rank(["on the mat", "the on mat"], "the cat sat")
        assert [one.text for one in found] == ["on the mat", "the on mat"]
        row = words.log_probabilities(["the cat sat on the mat"])[0]
        assert found[0].log_probability == pytest.approx(row[3:].sum(), abs=1e-5)

    def test_the_end_counts_where_it_is_asked_for(self, words):
        (whole,), (open_,) = (words.rank(["on the mat"], "the cat sat", ends=ends) for ends in (True, False))
        row = words.log_probabilities(["the cat sat on the mat"])[0]
        assert (whole.symbols, open_.symbols) == (4, 3)
        assert whole.log_probability - open_.log_probability == pytest.approx(row[-1], abs=1e-5)

    def test_next_words_have_the_probabilities_of_predict_next(self, words):
        following = dict(zip(words.symbols_, np.log(words.predict_next(["the cat"])[0]), strict=True))
        found = words.rank(["sat", "dog", "mat"], "the cat", ends=False)
        assert found[0].text == "sat"
        for one in found:
            assert one.log_probability == pytest.approx(following[one.text], abs=1e-4)

    def test_the_mean_of_a_symbol_spares_long_candidates(self, words):
        candidates = ["sat", "sat on the mat"]
        plain = words.rank(candidates, "the cat", ends=False)
        by_mean = words.rank(candidates, "the cat", ends=False, normalize=True)
        assert [one.text for one in plain] == candidates
        assert sorted(by_mean) == sorted(plain)
        assert [one.mean for one in by_mean] == sorted((one.mean for one in plain), reverse=True)
        assert by_mean[0].mean == by_mean[0].log_probability / by_mean[0].symbols
        assert words.rank([""], "the cat", ends=False) == [("", 0.0, 0)]

    def test_backwards_ranks_whole_texts(self, models):
        found = models["backwards"].rank(["sat", "mat the on"], "the cat")
        row = models["backwards"].log_probabilities(["the cat sat"])[0]
        assert {one.text: one.log_probability for one in found}["sat"] == pytest.approx(row.sum(), abs=1e-5)
        with pytest.raises(DataError, match="ranks whole texts only"):
            models["backwards"].rank(["sat"], "the cat", ends=False)

    def test_surprisal_names_what_is_unknown(self, words):
        found = words.surprisal(["the zebra sat"])[0]
        assert [(one.symbol, one.known) for one in found] == [
            ("the", True), ("zebra", False), ("sat", True), ("<eos>", True)
        ]  # fmt: skip
        np.testing.assert_allclose(
            [one.bits for one in found], -words.log_probabilities(["the zebra sat"])[0] / np.log(2)
        )


class TestEstimator:
    @pytest.mark.parametrize("name", ["words", "characters", "backwards", "bytes"])
    def test_a_saved_model_answers_the_same(self, models, name, tmp_path):
        model = models[name]
        model.save(tmp_path / "m")
        for other in (
            seqtag.load(tmp_path / "m"),
            LanguagePredictor.load(tmp_path / "m"),
            LanguageModel.load(tmp_path / "m"),
            pickle.loads(pickle.dumps(model)),
        ):
            assert other.score(FEW) == model.score(FEW)
        assert LanguageModel.load(tmp_path / "m").get_params() == model.get_params()

    def test_the_same_seed_learns_the_same(self, words):
        assert small().fit(TEXTS).score(FEW) == words.score(FEW)

    def test_validation_texts_choose_the_epoch(self):
        model = small(epochs=2).fit(TEXTS, validation_data=TEXTS[:4])
        assert len(model.history_["score"]) == 2
        assert model.history_["score"][model.history_["best_epoch"]] == max(model.history_["score"])

    @pytest.mark.parametrize("continuous", [True, False])
    def test_what_is_held_out_is_the_end_of_one_text_and_drawn_from_many(self, continuous):
        texts = [f"{i} a" for i in range(40)]
        kept, held = small(continuous=continuous, validation_fraction=0.25)._split(texts, None, 0)
        assert sorted(kept + held) == sorted(texts) and len(held) == 10
        assert (held == texts[-10:]) == continuous

    def test_takes_a_corpus_and_lists_of_words(self, words):
        lists = [text.split() for text in TEXTS]
        assert small().fit(lists).score(FEW) == words.score(FEW)
        assert small().fit(seqtag.Corpus([seqtag.Sequence(tuple(one)) for one in lists])).score(FEW) == words.score(FEW)

    @pytest.mark.parametrize(
        ("texts", "said"),
        [
            ("one text", "texts must be a list of texts; got one str"),
            ([""], "texts must hold at least two symbols"),
            ([3], r"texts\[0\] must be a string, or a list of words; got int 3"),
        ],
    )
    def test_refuses_what_is_no_text(self, texts, said):
        with pytest.raises(DataError, match=said):
            small(validation_fraction=0.0).fit(texts)

    def test_is_not_a_predictor_of_labels(self, words, tmp_path):
        words.save(tmp_path / "m")
        with pytest.raises(BundleError, match="language model, which labels nothing"):
            Predictor.load(tmp_path / "m")
        broken = Bundle({**words.bundle_.manifest, "task": "tagging"}, words.bundle_.files)
        with pytest.raises(BundleError, match="this model's task is 'tagging'"):
            LanguagePredictor.from_bundle(broken)

    def test_says_that_it_is_not_fitted(self):
        with pytest.raises(NotFittedError, match="LanguageModel is not fitted yet"):
            small().score(TEXTS)

    def test_the_card_says_what_it_is(self, characters):
        card = characters.bundle_.files["README.md"].decode()
        assert "2 gru layer(s) of 8 units over characters, read forward, as pieces of one text" in card
        assert "Best development perplexity a character" in card
