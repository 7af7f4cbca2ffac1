"""ONNX graphs of text: its n-grams, their TF-IDF, and the components of these.

The operator ``Tokenizer`` of onnxruntime splits text into characters; ONNX itself has
no such operator. Everything else is computed on numbers that stand for characters:
ONNX's own lowercase depends on the machine's locale, and onnxruntime's regular
expressions know fewer letters and spaces than Python's.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np

from skscratch.export.onnx.graph import Value
from skscratch.tabular.text import COMPONENT_STEPS

__all__ = ["check_text", "encode_text"]

# Characters whose lowercase a table can't give: one becomes two characters, the other
# one of two, depending on its place in a word.
DOTTED_I, SIGMA = "İ", "Σ"
DOT, SMALL_SIGMA, FINAL_SIGMA = "\u0307", "σ", "ς"
# Numbers of all characters that are in no n-gram, and of the space. Whatever is between
# two words counts as one space.
UNKNOWN, SPACE = 0, 1


def check_text(encoder: Any) -> None:
    """Refuse an encoder of text that can't be written as a graph.

    Parameters
    ----------
    encoder : TextEncoder
        Fitted.

    Raises
    ------
    ValueError
        If its n-grams are neither of characters nor of words.
    """
    for vectorizer in encoder.vectorizers_:
        if vectorizer is not None and vectorizer.analyzer not in ("char", "word"):
            raise ValueError(
                f"n-grams of analyzer={vectorizer.analyzer!r} can't be exported to "
                "ONNX, only those of 'char' and 'word', which fit uses now: fit the "
                "model again."
            )


def encode_text(encoder: Any, columns: list[Value], missing: Collection[str]) -> Value:
    """Encode columns of text.

    Parameters
    ----------
    encoder : TextEncoder
        Fitted, and accepted by ``check_text``.
    columns : list of Value of shape (n_samples, 1)
        Text.
    missing : collection of str
        Values that mark a missing text.

    Returns
    -------
    Value of shape (n_samples, n_outputs)
    """
    graph, blocks = columns[0].graph, []
    for index, text in enumerate(columns):
        is_missing = text.lookup(dict.fromkeys(missing, 1), 0)
        vectorizer = encoder.vectorizers_[index]
        components = is_missing.astype(np.float64) * 0.0
        if vectorizer is not None:
            weights = _tf_idf(vectorizer, _ngram_counts(vectorizer, text, is_missing))
            V = encoder.decompositions_[index].components_.T.astype(np.float64)
            components = (weights @ V * COMPONENT_STEPS).rint() / COMPONENT_STEPS
            components = components.astype(np.float32)
        # Ranks are right only if a text is encoded as in fit, bit for bit.
        components = components - encoder.centers_[index]
        blocks.append(components / encoder.scales_[index])
        if encoder.has_missing_[index]:
            blocks.append(is_missing.astype(np.float64))
    return graph.concatenate(blocks).astype(encoder.dtype)


def _tf_idf(vectorizer: Any, counts: Value) -> Value:
    """Weights of n-grams, in rows of norm 1, or 0 without any n-gram."""
    weights = (counts.maximum(1.0).log() + 1.0) * vectorizer.idf_.astype(np.float64)
    weights = (counts > 0.0).where(weights, 0.0)
    norms = (weights * weights).sum(axis=1).sqrt()
    return weights / (norms > 0.0).where(norms, 1.0)


def _ngram_counts(vectorizer: Any, text: Value, is_missing: Value) -> Value:
    """How often each n-gram occurs, (n_samples, n_ngrams), in float64."""
    graph, ngrams = text.graph, vectorizer.get_feature_names_out().tolist()
    space = graph.constant(np.array(" "))
    padded = space.join(text).join(space)
    texts = is_missing.equals(1).where("", padded).reshape(-1)
    # One row more, as onnxruntime has other shapes if there is no character at all.
    texts = graph.concatenate([texts, graph.constant(np.array([" "]))], axis=0)
    characters = texts.characters()
    alphabet = sorted({*itertools.chain(*ngrams)} - {" "})
    numbers = {" ": SPACE} | {c: i for i, c in enumerate(alphabet, SPACE + 1)}
    parts = _words if vectorizer.analyzer == "word" else _single_spaces
    sequence = _without_gaps(*parts(characters, numbers))
    if vectorizer.analyzer == "word":
        ngrams = [f" {words} " for words in ngrams]
    counts = sequence.ngram_counts([[numbers[c] for c in ngram] for ngram in ngrams])
    return counts.slice(0, -1, axis=0).astype(np.float64)


def _lowercase(characters: Value, numbers: dict[str, int]) -> Value:
    """Number of each character's lowercase; of ``DOTTED_I``, that of the first."""
    capitals = _capitals()
    known = numbers | {
        capital: number
        for character, number in numbers.items()
        for capital in capitals.get(character, ())
    }
    found = characters.lookup(known, UNKNOWN)
    change = numbers.get(FINAL_SIGMA, UNKNOWN) - numbers.get(SMALL_SIGMA, UNKNOWN)
    return found + _is_final_sigma(characters) * change if change else found


def _is_final_sigma(characters: Value) -> Value:
    """1 for a capital sigma that ends a word: a cased letter before it, none after it.

    As in Python's ``str.lower``, some characters, such as apostrophes, are skipped.
    """
    counts = 1 - characters.flags(_ignorable())
    places = counts.cumsum(1) * counts
    zeros = places * 0
    first = zeros.take([0])
    with_case = characters.graph.concatenate([first, zeros, first]).put_along(
        places, characters.flags(_cased())
    )
    before = with_case.take_along((places - 1).maximum(0))
    after = with_case.take_along(places + 1)
    return characters.lookup({SIGMA: 1}, 0) * before * (1 - after)


def _single_spaces(
    characters: Value, numbers: dict[str, int]
) -> tuple[list[Value], list[Value]]:
    """Characters in which two or more spaces of any kind have become one.

    Returns
    -------
    found : list of Value of shape (n_samples, n_characters)
        Numbers of the first and the second character of each one's lowercase.
    is_kept : list of Value of shape (n_samples, n_characters)
        1 for characters that exist, 0 for others.
    """
    found = _lowercase(characters, numbers)
    is_space = characters.flags(_spaces())
    follows = is_space * is_space.shifted(1)
    is_repeated = follows.maximum(is_space * is_space.shifted(-1))
    found = found * (1 - is_repeated) + is_repeated * SPACE
    has_dot = characters.lookup({DOTTED_I: 1}, 0)
    dots = has_dot * numbers.get(DOT, UNKNOWN)
    return [found, dots], [1 - follows, has_dot]


def _words(
    characters: Value, numbers: dict[str, int]
) -> tuple[list[Value], list[Value]]:
    """Words of two characters or more, with one space around each.

    Returns
    -------
    As ``_single_spaces``.
    """
    has_dot = characters.lookup({DOTTED_I: 1}, 0)
    has_none = 1 - has_dot
    is_letter = characters.flags(_letters())
    # The dot, the second character of a lowercase, is not a letter.
    before = (is_letter * has_none).shifted(1)
    after = is_letter.shifted(-1) * has_none
    in_word = is_letter * before.maximum(after)
    is_gap = 1 - in_word
    found = _lowercase(characters, numbers) * in_word + is_gap * SPACE
    follows = is_gap * is_gap.maximum(has_dot).shifted(1)
    return [found, is_gap * 0 + SPACE], [1 - follows, has_dot * in_word]


def _without_gaps(found: list[Value], is_kept: list[Value]) -> Value:
    """Sequences of the numbers that are kept, with an unknown one before and after."""
    graph = found[0].graph
    values, kept = (
        graph.concatenate([v.reshape(0, -1, 1) for v in pair], axis=2).reshape(0, -1)
        for pair in (found, is_kept)
    )
    # Numbers that are not kept go to the first position.
    zeros = values * 0
    room = graph.concatenate([zeros.take([0]), zeros])
    return room.put_along(kept.cumsum(1) * kept, values * kept)


@cache
def _characters() -> str:
    """All characters that text may have."""
    return "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))


@cache
def _capitals() -> dict[str, list[str]]:
    """Characters that differ from their lowercase, by its first character."""
    capitals: dict[str, list[str]] = {}
    for character in _characters():
        small = character.lower()[0]
        if small != character:
            capitals.setdefault(small, []).append(character)
    return capitals


@cache
def _letters() -> str:
    """Pattern of the characters that Python's regular expressions match as a word's."""
    return _pattern_of("".join(re.findall(r"\w", _characters())))


@cache
def _spaces() -> str:
    return _pattern_of("".join(re.findall(r"\s", _characters())))


@cache
def _cased() -> str:
    """Pattern of characters with case, apart from the ignorable ones."""
    return _pattern_of(
        "".join(c for c in _characters() if f".{c}Σ".lower().endswith("ς"))
    )


@cache
def _ignorable() -> str:
    """Pattern of characters that the lowercase of a sigma does not depend on."""
    return _pattern_of(
        "".join(
            c
            for c in _characters()
            if f"A{c}Σ".lower().endswith("ς") and f".{c}Σ".lower().endswith("σ")
        )
    )


def _pattern_of(characters: str) -> str:
    """Regular expression that matches one of these characters, which are sorted."""
    codes = np.array([ord(character) for character in characters])
    starts = np.flatnonzero(np.diff(codes, prepend=-2) > 1)
    ends = [*(starts[1:] - 1), len(codes) - 1]
    pairs = zip(codes[starts], codes[ends], strict=True)
    ranges = [rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in pairs]
    return f"[{''.join(ranges)}]"
