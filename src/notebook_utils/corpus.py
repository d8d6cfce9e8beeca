"""English text that needs no download: a few made-up sentences, and docstrings.

The docstrings are those of installed packages: over a million words of real English.
"""

import ast
import gzip
import hashlib
import importlib.util
import os
import re
import tempfile
import warnings
import zlib
from pathlib import Path

from notebook_utils.arrays import is_sequence

PACKAGES = ("matplotlib", "networkx", "numpy", "scipy", "skimage", "sklearn")
CACHE = "NOTEBOOK_UTILS_CACHE"
FORMAT = 1  # of the cached files; a new one for each change in what is read

# who, and in which three respects they differ
PEOPLE = {
    "king": ("royal", "old", "male"),
    "queen": ("royal", "old", "female"),
    "prince": ("royal", "young", "male"),
    "princess": ("royal", "young", "female"),
    "man": ("common", "old", "male"),
    "woman": ("common", "old", "female"),
    "boy": ("common", "young", "male"),
    "girl": ("common", "young", "female"),
}
SAID_OF = {
    "royal": (
        "the {} lives in the palace",
        "the {} wears a crown",
        "the {} sits on the throne",
    ),
    "common": (
        "the {} lives in the village",
        "the {} wears a cap",
        "the {} sits on the bench",
    ),
    "old": ("the {} is a wise adult", "the {} has grey hair"),
    "young": ("the {} is a playful child", "the {} goes to school"),
    "male": ("the {} said he shaved his beard", "the {} and his brother met"),
    "female": ("the {} said she wore her dress", "the {} and her sister met"),
}
PLACES = (
    ("paris", "france", "french"),
    ("rome", "italy", "italian"),
    ("madrid", "spain", "spanish"),
    ("berlin", "germany", "german"),
)
SAID_OF_PLACES = (
    "{0} is the capital of {1}",
    "people in {1} speak {2}",
    "the {2} train stops in {0}",
    "the streets of {0} are full of {2} cafes",
    "{1} is a country with {2} fields",
)

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_WORD = re.compile(r"\b[a-z]+(?:'[a-z]+)?\b")
_SENTENCE_END = re.compile(r"\n\s*\n|[.!?:;](?=\s)")
_DOCTEST = re.compile(r"^[ \t]*>>>.*(?:\n.*\S.*)*", re.MULTILINE)


def small_corpus():
    """Return a few sentences about eight people and four countries.

    They are made so that the words for people differ in three respects, rank, age and
    sex, each of which decides what is said of them; capitals, countries and languages
    are related likewise. That lets vectors be learnt in seconds, and tells which of
    them should be neighbours.

    Returns
    -------
    sentences : list of list of str
        Of lower-case words, always the same.
    """
    people = [
        said.format(person)
        for person, respects in PEOPLE.items()
        for respect in respects
        for said in SAID_OF[respect]
    ]
    places = [said.format(*names) for names in PLACES for said in SAID_OF_PLACES]
    return [sentence.split() for sentence in people + places]


def split_words(text):
    r"""Cut English text into sentences of lower-case words.

    A sentence ends at ``.``, ``!``, ``?``, ``:`` or ``;`` before a space, and at an
    empty line. A word is a run of letters, with an apostrophe's ending if there is one;
    names with digits or underscores are no words, nor is anything else. Examples in
    doctest form, from ``>>>`` to the next empty line, are left out.

    Parameters
    ----------
    text : str

    Returns
    -------
    sentences : list of list of str
        Sentences without a word are left out.

    Raises
    ------
    ValueError
        If `text` is not a string.

    Examples
    --------
    >>> split_words("It doesn't fit. Why? See x_1.")
    [['it', "doesn't", 'fit'], ['why'], ['see']]
    """
    if not isinstance(text, str):
        raise ValueError(f"text is {type(text).__name__}, but must be a string")
    prose = _DOCTEST.sub("", text.lower())
    sentences = [_WORD.findall(part) for part in _SENTENCE_END.split(prose)]
    return [words for words in sentences if words]


def docstrings(source):
    """Read the docstrings of a Python file without running it.

    Parameters
    ----------
    source : str or bytes

    Returns
    -------
    docstrings : list of str
        Of the module, its classes and its functions, in the order of the file.

    Raises
    ------
    ValueError
        If `source` is not valid Python.
    """
    try:
        with warnings.catch_warnings():
            # a file's doubtful backslashes are not this function's business
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"source is not valid Python: {error}") from error
    documented = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    # the module itself has no line, and comes first
    documented.sort(key=lambda node: getattr(node, "lineno", 0))
    texts = [ast.get_docstring(node) for node in documented]
    return [text for text in texts if text]


def docstring_corpus(packages=PACKAGES, *, cache=None):
    """Read the docstrings of installed packages as a corpus of English sentences.

    The packages are neither imported nor run: their files are found and parsed. What
    the packages of the default hold is over a million words; how many exactly, and
    which, depends on the installed versions.

    Parameters
    ----------
    packages : sequence of str
        Names under which they would be imported.
    cache : path, optional
        The folder that keeps what was read, as the parsing takes some ten seconds. By
        default that which the environment variable ``NOTEBOOK_UTILS_CACHE`` names, else
        ``notebook_utils`` in the user's folder of caches. A folder that cannot be
        written to is no error; nothing is kept then.

    Returns
    -------
    sentences : list of list of str
        As `split_words` cuts them, in the order of packages, paths and lines; of
        sentences that occur more than once, as the descriptions of common parameters
        do, only the first. Tests are not read.

    Raises
    ------
    ValueError
        If `packages` is a string or empty, or one of them is not installed.
    """
    if not is_sequence(packages) or not packages:
        raise ValueError(
            f"packages is {packages!r}, but must be a sequence of names of packages"
        )
    files = [file for package in packages for file in _files(_root(package))]
    folder = Path(cache or _cache_folder()).expanduser()
    stored = folder / f"docstrings-{_key(files)}.gz"
    lines = _load(stored)
    if lines is None:
        lines = _read(files)
        _store(stored, lines)
    return [line.split() for line in lines]


def _root(package):
    """Find the folder of a top-level package; that imports nothing."""
    valid = isinstance(package, str) and package.isidentifier()
    spec = importlib.util.find_spec(package) if valid else None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise ValueError(f"packages names {package!r}, which is not installed")
    return Path(folders[0])


def _files(root):
    """List a package's files, but for its tests, in the order of their paths."""
    files = sorted(root.rglob("*.py"))
    return [file for file in files if "tests" not in file.relative_to(root).parts]


def _key(files):
    """Name the state of files, so that a changed one is read again."""
    states = [(file.as_posix(), file.stat()) for file in files]
    known = [(name, state.st_size, state.st_mtime_ns) for name, state in states]
    return hashlib.sha256(repr((FORMAT, known)).encode()).hexdigest()[:16]


def _cache_folder():
    named = os.environ.get(CACHE, "").strip()
    if named:
        return named
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "notebook_utils")


def _read(files):
    """Read every different sentence of the files once."""
    lines = {}
    for file in files:
        try:
            texts = docstrings(file.read_bytes())
        except ValueError:  # a template, or Python of another version
            continue
        for text in texts:
            lines.update((" ".join(words), None) for words in split_words(text))
    return list(lines)


def _load(file):
    try:
        text = gzip.decompress(file.read_bytes()).decode()
    except (OSError, EOFError, ValueError, zlib.error):  # none yet, or damaged
        return None
    return text.splitlines() or None


def _store(file, lines):
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # written aside and then renamed, so that nobody reads half a file
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            part.write(gzip.compress("\n".join(lines).encode(), mtime=0))
        Path(part.name).replace(file)
    except OSError:
        return
