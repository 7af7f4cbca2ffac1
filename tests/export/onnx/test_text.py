"""Graphs of text compute what the encoder computes, for every character there is."""

import sys
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_runs import run, run_graph

pytest.importorskip("onnx", reason="The extra 'onnx' is not installed.")
pytest.importorskip("onnxruntime", reason="The extra 'onnx' is not installed.")

from skscratch.export.onnx.graph import Graph
from skscratch.export.onnx.text import check_text, encode_text
from skscratch.tabular.text import TextEncoder

MISSING = ("", "nan", "None")
few = settings(max_examples=20, deadline=None)

# Capitals of one lowercase and of two, sigmas with what surrounds them, spaces of all
# kinds, digits that are letters to Python, and what takes two or four bytes.
SPECIAL = " \t\n\x1c\x85\xa0\u2003aAbcIiİıßẞéÉΑαΣσς.'’ʰͅ\u0307\u0301\u200d_0٣日本語😀ǅ－"
characters = st.one_of(
    st.sampled_from(SPECIAL), st.characters(exclude_categories=["Cs"])
)
letters = st.one_of(
    st.sampled_from("aAbcIiİßéΑαΣσς_0日"),
    st.characters(categories=["Lu", "Ll", "Lo", "Nd"]),
)
pieces = {
    "pairs to fours": st.text(characters, min_size=1, max_size=5),
    "singles and pairs": st.text(characters, min_size=1, max_size=5),
    "words": st.text(letters, min_size=2, max_size=5),
}
ENDS = ["", "", " ", " ", ", ", "  ", "\u2003", " a ", "Σ", "'Σ", "İ"]
# Number of pieces of a text.
LENGTHS = {"pairs to fours": 4, "singles and pairs": 60, "words": 60}
NGRAMS = {
    "pairs to fours": ("char", (2, 4)),
    "singles and pairs": ("char", (1, 2)),
    "words": ("word", (1, 2)),
}


def graph_of(encoder):
    graph = Graph()
    columns = [graph.input(f"c{i}", object, 1) for i in range(encoder.n_features_in_)]
    check_text(encoder)
    graph.output("out", encode_text(encoder, columns, MISSING), [None])
    return graph


def as_column(texts):
    column = np.empty((len(texts), 1), dtype=object)
    column[:, 0] = texts
    return column


@st.composite
def columns_of_text(draw, kind):
    """A fitted encoder of one column, and texts to encode."""
    known = draw(st.lists(pieces[kind], min_size=6, max_size=12, unique=True))
    unseen = draw(st.lists(pieces["pairs to fours"], min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ends = ENDS if kind != "words" else [" ", " ", "; ", " a ", "\u2003"]

    def texts(n, parts, ends):
        for _ in range(n):
            size = rng.integers(1, 2 * LENGTHS[kind])
            pairs = zip(rng.choice(parts, size), rng.choice(ends, size), strict=True)
            yield "".join(part + end for part, end in pairs)

    rows = [*texts(80, known, ends)]
    if draw(st.booleans()):
        rows[7] = None
    encoder = TextEncoder(
        max_features=draw(st.sampled_from([10, 200, 2000])),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        random_state=0,
    )
    with warnings.catch_warnings():  # Of variances of 0.
        warnings.simplefilter("ignore")
        encoder.fit(as_column(rows))
    new = [*texts(8, known, ENDS), *texts(8, [*known, *unseen], ENDS)]
    return encoder, [*rows[:8], *new, *known, *unseen, *MISSING, " ", "Σ", "aΣ", "İ"]


@pytest.mark.parametrize("kind", list(NGRAMS))
@few
@given(st.data())
def test_text_is_encoded_the_same(kind, data):
    encoder, texts = data.draw(columns_of_text(kind))
    (vectorizer,) = encoder.vectorizers_
    assume(vectorizer is not None)
    assume((vectorizer.analyzer, vectorizer.ngram_range) == NGRAMS[kind])
    proto = graph_of(encoder).model("text")
    found = run(proto, as_column(["" if t is None else t for t in texts]))["out"]
    expected = encoder.transform(
        as_column([None if t in MISSING else t for t in texts])
    )
    assert found.dtype == expected.dtype
    # Bit for bit: ranks would show any difference.
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("analyzer", ["char", "word"])
def test_characters_of_all_scripts_are_read_alike(analyzer):
    """Letters, spaces, capitals, and what the lowercase of a sigma depends on."""
    scalars = [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]
    codes = [*scalars[:0x3400], *scalars[0x3400::31]]
    rng = np.random.default_rng(0)
    known = ["σας", "ass", "ob", "ii", "τός"]
    n_words = 4 if analyzer == "char" else 60
    rows = [" ".join(rng.choice(known, n_words)) for _ in range(80)]
    encoder = TextEncoder(random_state=0, max_features=40).fit(as_column(rows))
    assert encoder.vectorizers_[0].analyzer == analyzer
    texts = as_column([f"ob{c}ob as{c} {c}ii ΑΣ{c}Σ {c}Σ" for c in map(chr, codes)])
    found = run_graph(graph_of(encoder), {"c0": texts})["out"]
    np.testing.assert_array_equal(found, encoder.transform(texts))


def test_columns_without_ngrams_without_rows_and_without_text():
    rows = [[None, "ab cd"], ["", "ef gh"], [None, "ab"]] * 20
    encoder = TextEncoder(random_state=0).fit(np.array(rows, dtype=object))
    assert encoder.vectorizers_[0] is None
    assert encoder.has_missing_.tolist() == [True, False]
    proto = graph_of(encoder).model("text")
    for new in ([], [["", ""]], [["a", ""], ["", "gh"], ["x", "a"]]):
        X = np.array(new, dtype=object).reshape(-1, 2)
        found = run(proto, {f"c{i}": X[:, [i]] for i in range(2)})["out"]
        X[X == ""] = None
        expected = encoder.transform(X) if len(X) else np.empty((0, found.shape[1]))
        np.testing.assert_array_equal(found, expected)
    assert found[:, 1].tolist() == [0, 1, 0]


def test_other_ngrams_are_refused():
    encoder = TextEncoder(random_state=0).fit(as_column(["ab cd", "ef"] * 20))
    encoder.vectorizers_[0].analyzer = "char_wb"
    with pytest.raises(ValueError, match="analyzer='char_wb' can't be exported"):
        check_text(encoder)
