"""The corpus of docstrings: what is read, in which order, and what is kept of it."""

import gzip
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notebook_utils import corpus
from notebook_utils.corpus import (
    PACKAGES,
    PEOPLE,
    docstring_corpus,
    docstrings,
    small_corpus,
    split_words,
)

SOURCE = '''
"""A module. It holds two functions."""

import nowhere_to_be_found

class Thing:
    """A thing."""

    async def method(self):
        """What it does;
        and then some."""

        def inner():
            """Inside it."""

def function():
    "Another one."
    raise SystemExit

def undocumented():
    ...
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make an installed package; whatever imports it exits."""
    root = tmp_path / "site" / "a_small_package"
    (root / "b" / "tests").mkdir(parents=True)
    (root / "__init__.py").write_text(SOURCE)
    (root / "b" / "first.py").write_text('"""The first file. A thing."""')
    (root / "b" / "tests" / "test_it.py").write_text('"""A test."""')
    (root / "a_template.py").write_text("def {name}(): ...")
    (root / "z.py").write_text('"""Last \\d of all."""')
    monkeypatch.syspath_prepend(root.parent)
    return root


EXPECTED = [
    "a module",
    "it holds two functions",
    "a thing",
    "what it does",
    "and then some",
    "inside it",
    "another one",
    "the first file",
    "last d of all",
]


def test_the_small_corpus_says_of_each_what_it_should():
    sentences = small_corpus()
    assert sentences == small_corpus()
    text = [" ".join(words) for words in sentences]
    assert len(text) == len(set(text)) == 8 * 7 + 4 * 5
    assert text == [" ".join(words) for line in text for words in split_words(line)]
    said = {
        person: {
            line.replace(f" {person} ", " _ ")
            for line in text
            if person in line.split()
        }
        for person in PEOPLE
    }
    assert all(len(lines) == 7 for lines in said.values())
    # who differs in fewer respects shares more of what is said
    for one, ours in PEOPLE.items():
        for other, theirs in PEOPLE.items():
            alike = [a for a, b in zip(ours, theirs, strict=True) if a == b]
            shared = {"royal": 3, "common": 3}
            count = sum(shared.get(respect, 2) for respect in alike)
            assert len(said[one] & said[other]) == count
    assert "rome is the capital of italy" in text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("... --- 1 2 x_1", []),
        (
            "One. Two! Three? Four: five; six",
            ["one", "two", "three", "four", "five", "six"],
        ),
        ("Don't stop", ["don't stop"]),
        ("np.array and n_samples, e1", ["np array and"]),
        ("a title\n=======\n\nthe text\ngoes on", ["a title", "the text goes on"]),
        ("before\n\n  >>> run(it)\n  the output\n\nafter", ["before", "after"]),
        ("before\n>>> run(it)", ["before"]),
    ],
)
def test_words(text, sentences):
    assert split_words(text) == [sentence.split() for sentence in sentences]


def test_words_are_lower_case_letters():
    @given(st.text(alphabet="abAB é'.!;:\n >_19-", max_size=60))
    def run(text):
        words = [word for sentence in split_words(text) for word in sentence]
        assert all(split_words(text))
        assert all(word.replace("'", "").isalpha() for word in words)
        assert " ".join(words) == " ".join(words).lower()
        # nothing of a text is lost by cutting it again
        assert split_words(" ".join(words)) == ([words] if words else [])

    run()


def test_docstrings_are_in_the_order_of_the_file():
    read = [" ".join(text.split()) for text in docstrings(SOURCE)]
    assert read == [
        "A module. It holds two functions.",
        "A thing.",
        "What it does; and then some.",
        "Inside it.",
        "Another one.",
    ]
    assert docstrings(b"# coding: latin-1\n'''caf\xe9'''") == ["café"]
    assert docstrings("") == []


def test_a_package_is_read_without_running_it(package, tmp_path):
    cache = tmp_path / "cache"
    sentences = docstring_corpus(["a_small_package"], cache=cache)
    assert [" ".join(words) for words in sentences] == EXPECTED
    assert "a_small_package" not in sys.modules


def test_what_was_read_is_kept(package, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = docstring_corpus(["a_small_package"], cache=cache)
    (file,) = cache.iterdir()
    assert gzip.decompress(file.read_bytes()).decode().splitlines() == EXPECTED

    def refuse(files):
        raise AssertionError("it is read again")

    with monkeypatch.context() as patch:
        patch.setattr(corpus, "_read", refuse)
        assert docstring_corpus(["a_small_package"], cache=cache) == first
    # a changed package is another one
    (package / "z.py").write_text('"""Something new."""')
    changed = docstring_corpus(["a_small_package"], cache=cache)
    assert changed[-1] == ["something", "new"]
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_file_is_written_again(package, tmp_path):
    cache = tmp_path / "cache"
    first = docstring_corpus(["a_small_package"], cache=cache)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    spoilt = whole[:15] + b"\xff" * 20 + whole[35:]
    for damaged in (b"", whole[:-9], b"not compressed", spoilt):
        file.write_bytes(damaged)
        assert docstring_corpus(["a_small_package"], cache=cache) == first
        assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(package, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    sentences = docstring_corpus(["a_small_package"], cache=blocked / "cache")
    assert len(sentences) == len(EXPECTED)


def test_where_the_cache_is(package, tmp_path, monkeypatch):
    monkeypatch.setenv(corpus.CACHE, str(tmp_path / "named"))
    docstring_corpus(["a_small_package"])
    assert list((tmp_path / "named").iterdir())
    monkeypatch.delenv(corpus.CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    docstring_corpus(["a_small_package"])
    assert list((tmp_path / "xdg" / "notebook_utils").iterdir())
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    docstring_corpus(["a_small_package"])
    assert list((tmp_path / "home" / ".cache" / "notebook_utils").iterdir())


def test_two_packages_in_the_order_given(package, tmp_path):
    other = package.parent / "another_package"
    other.mkdir()
    (other / "__init__.py").write_text('"""Other words. A thing."""')
    names = ("a_small_package", "another_package")
    there = docstring_corpus(names, cache=tmp_path)
    back = docstring_corpus(names[::-1], cache=tmp_path)
    assert [" ".join(words) for words in there] == [*EXPECTED, "other words"]
    assert back[:2] == [["other", "words"], ["a", "thing"]]


def test_a_real_package(tmp_path):
    sentences = docstring_corpus(["skimage"], cache=tmp_path)
    words = {word for sentence in sentences for word in sentence}
    assert sum(map(len, sentences)) > 30_000
    assert {"image", "array", "the", "segmentation"} <= words
    assert set(PACKAGES) >= {"numpy", "scipy", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_words(b"bytes"), "text is bytes, but must be a string"),
        (lambda: docstrings("def f("), "source is not valid Python"),
        (lambda: docstrings("\0"), "source is not valid Python"),
        (lambda: docstrings(3), "source is not valid Python"),
        (lambda: docstring_corpus("numpy"), "packages is 'numpy', but must be a seq"),
        (lambda: docstring_corpus([]), r"packages is \[\], but must be a sequence"),
        (lambda: docstring_corpus(["no_such"]), "'no_such', which is not installed"),
        (lambda: docstring_corpus(["a.b"]), "packages names 'a.b'"),
        (lambda: docstring_corpus([3]), "packages names 3"),
        (lambda: docstring_corpus(["ast"]), "packages names 'ast'"),  # one file
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
