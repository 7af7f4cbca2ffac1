"""Encoding of text by its n-grams."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from skscratch.tabular.text import TextEncoder

texts = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["aa", "ab", ""]))


def drawn_names(n_rows=200):
    """Different names, each with one of three titles."""
    random = np.random.RandomState(0)
    titles = np.array(["Mr.", "Mrs.", "Dr."])[random.randint(3, size=n_rows)]
    letters = np.array([*"abcdefghijklmno"])
    words = ["".join(random.choice(letters, 7)) for _ in range(2 * n_rows)]
    names = [
        f"{first}, {title} {last}"
        for first, title, last in zip(words[::2], titles, words[1::2], strict=True)
    ]
    return pd.DataFrame({"name": pd.Series(names, dtype=object)}), titles


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=60))
def test_any_text_is_encoded(rows):
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype=object)
    encoder = TextEncoder(random_state=0)
    training = encoder.fit_transform(frame)
    assert training.shape == (len(rows), len(encoder.get_feature_names_out()))
    assert sum(encoder.n_outputs_per_feature_) == training.shape[1]
    assert np.isfinite(training).all()
    assert len(set(encoder.get_feature_names_out())) == training.shape[1]
    new = pd.DataFrame({"a": [None, "zz"], "b": ["", "aa"]}, dtype=object)
    assert np.isfinite(encoder.transform(new)).all()
    # Rows are encoded one by one, as those of training were.
    assert_allclose(encoder.transform(frame), training, atol=1e-3)
    assert_allclose(encoder.transform(frame[:1]), training[:1], atol=1e-3)


def test_components_are_those_of_scikit_learn_on_one_scale():
    frame, _ = drawn_names()
    found = TextEncoder(random_state=0, n_components=5).fit_transform(frame)
    ngrams = TfidfVectorizer(
        analyzer="char", ngram_range=(2, 4), max_features=2000, sublinear_tf=True
    ).fit_transform(" " + frame["name"] + " ")
    raw = TruncatedSVD(5, n_iter=3, random_state=0).fit_transform(ngrams)
    expected = raw - raw.mean(axis=0)
    expected /= expected.std(axis=0).max()
    assert_allclose(found, expected, atol=1e-3)
    assert found.std(axis=0).max() == pytest.approx(1)


def test_parts_of_names_are_learned():
    frame, titles = drawn_names(600)
    inputs = TextEncoder(random_state=0).fit_transform(frame)
    assert inputs.shape == (600, 20)
    model = LogisticRegression(C=100, max_iter=2000).fit(inputs[:400], titles[:400])
    assert model.score(inputs[400:], titles[400:]) > 0.9


def test_long_text_is_split_into_words():
    random = np.random.RandomState(0)
    words = np.array([f"word{i}" for i in range(60)])
    y = np.arange(400) % 2
    rows = [
        " ".join(random.choice(words[20 * label : 20 * label + 40], 30)) for label in y
    ]
    encoder = TextEncoder(random_state=0, max_features=100)
    inputs = encoder.fit_transform(np.array(rows, dtype=object)[:, np.newaxis])
    assert encoder.vectorizers_[0].analyzer == "word"
    assert len(encoder.vectorizers_[0].vocabulary_) == 100
    model = LogisticRegression(C=100).fit(inputs[:200], y[:200])
    assert model.score(inputs[200:], y[200:]) > 0.9


def spaceless(alphabet, length, n_rows=400):
    """Texts without words, and labels that four kinds of characters tell apart."""
    random = np.random.RandomState(0)
    letters = [chr(code) for code in alphabet]
    special = np.array(letters[:8]).reshape(2, 4)
    y = np.arange(n_rows) % 2
    rows = []
    for label in y:
        neutral = random.choice(letters[8:], length - 8)
        rows.append("".join(random.permutation([*neutral, *list(special[label]) * 2])))
    return np.array(rows, dtype=object)[:, np.newaxis], y


SCRIPTS = {
    "Chinese": range(0x4E00, 0x4E00 + 200),
    "Japanese": range(0x3041, 0x3097),
    "emoji": range(0x1F600, 0x1F650),
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("length", [60, 140])
@pytest.mark.parametrize("separator", ["", "， "])
def test_text_without_spaces_is_split_into_characters(script, length, separator):
    texts, y = spaceless(SCRIPTS[script], length)
    if separator:  # After every seventh character, as between phrases.
        texts[:, 0] = [re.sub("(.{7})", rf"\1{separator}", t) for t in texts[:, 0]]
    encoder = TextEncoder(random_state=0)
    inputs = encoder.fit_transform(texts)
    assert encoder.vectorizers_[0].analyzer == "char"
    assert inputs.shape == (400, 20)
    model = LogisticRegression(C=100, max_iter=2000).fit(inputs[:300], y[:300])
    assert model.score(inputs[300:], y[300:]) > 0.85


@pytest.mark.parametrize(
    "text",
    ["a b c d " * 30, "\U0001f600 \U0001f603 \U0001f604 hi " * 30, "- . ; " * 40],
)
def test_long_text_with_few_words_is_split_into_characters(text):
    texts = np.array([[text + str(i)] for i in range(20)], dtype=object)
    encoder = TextEncoder(random_state=0).fit(texts)
    assert encoder.vectorizers_[0].analyzer == "char"


@pytest.mark.parametrize(
    ("n_rows", "n_components"), [(5, 1), (40, 4), (100, 10), (2000, 20)]
)
def test_small_tables_have_few_components(n_rows, n_components):
    frame, _ = drawn_names(n_rows)
    encoder = TextEncoder(random_state=0).fit(frame)
    assert encoder.n_outputs_per_feature_ == [n_components]
    assert len(encoder.vectorizers_[0].vocabulary_) <= 2000


def test_missing_text_is_marked_if_fit_sees_any():
    frame, _ = drawn_names()
    complete = TextEncoder(random_state=0, dtype="float32").fit(frame)
    frame.loc[::4, "name"] = None
    encoder = TextEncoder(random_state=0, dtype="float32").fit(frame)
    names = encoder.get_feature_names_out().tolist()
    assert names[-1] == "name_missing"
    inputs = encoder.transform(frame)
    assert inputs.dtype == np.float32
    assert_array_equal(inputs[:, -1], frame["name"].isna())
    assert complete.transform(frame).shape == (200, 20)


def test_the_encoding_depends_on_the_random_state_alone():
    frame, _ = drawn_names()
    encoder = TextEncoder(random_state=1)
    first = encoder.fit_transform(frame)
    assert_array_equal(clone(encoder).fit_transform(frame), first)
    with pytest.raises(ValueError, match="'n_components' parameter of TextEncoder"):
        TextEncoder(n_components=0).fit(frame)


@pytest.mark.parametrize("n_words", [3, 40])
def test_components_do_not_depend_on_the_order_of_sums(n_words):
    """Ranks of repeated texts would show the rounding errors of another machine."""
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(30)]
    texts = [" ".join(rng.choice(words, n_words)) for _ in range(200)]
    encoder = TextEncoder(random_state=0)
    encoded = encoder.fit_transform([[text] for text in texts])
    (vectorizer,), (decomposition,) = encoder.vectorizers_, encoder.decompositions_
    weights = vectorizer.transform([f" {text} " for text in texts]).toarray()
    components = np.zeros((len(texts), len(decomposition.components_)))
    for i in rng.permutation(weights.shape[1]):
        column = decomposition.components_[:, i].astype(np.float64)
        components += weights[:, [i]] * column
    rounded = (np.rint(components * 1e7) / 1e7).astype(np.float32)
    expected = (rounded - encoder.centers_[0]) / encoder.scales_[0]
    np.testing.assert_array_equal(encoded, expected)
    assert np.abs(rounded - components).max() < 1.1e-7
