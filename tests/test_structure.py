"""Which package imports which, and documentation that fits the code."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import warnings
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import skscratch
from skscratch import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from skscratch.backends.choice import is_installed
from skscratch.nn.initializers import INITIALIZERS

PACKAGE = Path(skscratch.__file__).parent
REPOSITORY = Path(__file__).parents[1]

# Which package of ours imports from which. A package's own files may import each other,
# in no circle.
ZONES = {
    "version": set(),
    "_messages": set(),
    "backends": {"_messages"},
    "nn": {"backends"},
    "training": {"backends", "nn"},
    "_sklearn": set(),
    "estimators": {"_messages", "_sklearn", "backends", "nn", "training", "version"},
    "files": {"backends", "estimators", "nn", "training"},
    "plotting": set(),
    "tabular": {"_messages", "_sklearn", "nn", "training", "estimators"},
    "export": {
        *("_sklearn", "backends", "nn", "training", "estimators", "tabular", "version"),
    },
    "dask": {"backends", "nn", "training", "estimators"},
    "cli": {"nn", "estimators", "plotting", "tabular", "version"},
    "__main__": {"cli"},
    "__init__": {"backends", "nn", "training", "estimators", "tabular", "version"},
}
# Beside NumPy and the standard library, as `import` names them.
THIRD_PARTY = {
    "__init__": set(),
    "__main__": set(),
    "version": set(),
    "backends": {"scipy", "threadpoolctl"},
    "nn": {"scipy"},
    "training": {"scipy"},
    "_sklearn": {"sklearn"},
    "estimators": {"joblib", "scipy", "sklearn"},
    "files": {"sklearn"},
    "plotting": {"sklearn"},
    "tabular": {"scipy", "sklearn"},
    "export": {"scipy", "sklearn"},
    "dask": {"scipy", "sklearn"},
    "cli": {"joblib", "scipy", "sklearn", "threadpoolctl"},
}
# Imported where they are needed, so that the library does without them.
EXTRAS = {
    "plotting": {"matplotlib"},
    "export": {"onnx", "skl2onnx"},
    "files": {"pyarrow"},
    "cli": {"matplotlib", "pandas", "rich", "skops"},
}
PRINTING = {
    *("backends.__main__", "estimators.monitor"),
    *("cli.output.terminal", "cli.main", "cli.predict"),
}
REGISTRIES = {
    "activation": set(ACTIVATIONS),
    "loss": set(LOSSES),
    "solver": {*OPTIMIZERS, "lbfgs"},
    "learning_rate": set(SCHEDULES),
    "init": set(INITIALIZERS),
}

CLASSIFYING = {"log_loss", "binary_log_loss"}

# Documented in one line, which names where the parameters stand.
SHORT = {"d_identity", "d_logloss", "d_sigmoid", "d_tanh", "sigmoid", "tanh"}


def module_name(path):
    """Name of a module below the package, such as "nn.layer"."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


SOURCES = {module_name(p): p.read_text("utf-8") for p in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
# What a reader meets; the command line's files are for its users.
LIBRARY = sorted(
    name for name in SOURCES if name.split(".")[0] not in ("cli", "__main__")
)
every_file = pytest.mark.parametrize("name", sorted(SOURCES))


def zone(name):
    return name.split(".")[0]


def imports(tree):
    """Yield the full name of each module that is imported, and what from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "skscratch." * bool(node.level) + (node.module or "")
            yield from ((module.rstrip("."), alias.name) for alias in node.names)


def own_imports(name):
    """Yield the modules of the package that a file imports, and what from each."""
    for module, item in imports(TREES[name]):
        package, _, file = module.partition(".")
        if package == "skscratch":
            # `from skscratch import nn` is the module, if there is one.
            whole = f"{file}.{item}".strip(".")
            if whole in SOURCES or f"{whole}.__init__" in SOURCES:
                file, item = whole, None
            yield file or "__init__", item


def third_parties(tree):
    own = {"skscratch", "numpy", *sys.stdlib_module_names}
    return {module.partition(".")[0] for module, _ in imports(tree)} - own


def at_module_level(tree):
    """Copy of a module without its functions and what is for type checkers."""
    kept = [
        node
        for node in tree.body
        if not isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    return ast.Module(kept, type_ignores=[])


# The zones


@every_file
def test_a_package_imports_only_from_those_it_may(name):
    allowed = {*ZONES[zone(name)], zone(name)}
    assert {zone(file) for file, _ in own_imports(name)} <= allowed


@every_file
def test_a_package_imports_only_its_third_parties(name):
    allowed = THIRD_PARTY.get(zone(name), set())
    if name.startswith("backends.kernels."):  # Imported where they are needed.
        allowed = allowed | {"llvmlite", "numba"}
    assert third_parties(at_module_level(TREES[name])) <= allowed
    assert third_parties(TREES[name]) <= allowed | EXTRAS.get(zone(name), set())


def test_no_file_imports_itself_by_way_of_others():
    graph = {
        name: [file for file, _ in own_imports(name) if file in TREES] for name in TREES
    }
    TopologicalSorter(graph).prepare()


@every_file
def test_a_file_imports_only_what_another_offers(name):
    for file, item in own_imports(name):
        if file.startswith("backends.kernels.") and not is_installed():
            continue  # They import Numba.
        module = f"skscratch.{file}".removesuffix(".__init__")
        offered = getattr(importlib.import_module(module), "__all__", None)
        if offered is not None and item is not None:
            assert item in offered


def test_the_check_itself_sees_what_is_imported():
    source = """
import skscratch.nn.layer
from skscratch.nn.network import Network
from skscratch import training, Layer
from skscratch.nn import losses
def later():
    from skscratch.estimators import ScratchMLPClassifier
    import sklearn.base
"""
    TREES["probe"] = ast.parse(source)
    try:
        assert [file for file, _ in own_imports("probe")] == [
            *("nn.layer", "nn.network", "training", "__init__", "nn.losses"),
            "estimators",
        ]
        assert third_parties(TREES["probe"]) == {"sklearn"}
        assert third_parties(at_module_level(TREES["probe"])) == set()
    finally:
        del TREES["probe"]


def test_importing_the_package_needs_no_extra():
    missing = "dict.fromkeys(['matplotlib', 'pandas', 'rich', 'skops'])"
    command = f"import sys; sys.modules.update({missing}); import skscratch"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", command], check=True, cwd=PACKAGE.parent
    )


def run_python(command):
    """Run a program in a process of its own, where nothing is imported yet."""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", command], check=True, cwd=PACKAGE.parent
    )


def test_importing_the_package_leaves_all_else_for_later():
    run_python("""
import sys
import skscratch
import skscratch.cli.interrupt  # Handles Ctrl-C before anything else is imported.
assert not {"numpy", "sklearn", "skscratch.nn"} & set(sys.modules)
assert set(skscratch.__all__) <= set(dir(skscratch))
assert not hasattr(skscratch, "nothing")
skscratch.Layer(2, 3, "tanh")
assert "sklearn" not in sys.modules
skscratch.ScratchMLPClassifier()
assert not {"skscratch.tabular.recipe", "sklearn.compose"} & set(sys.modules)
assert skscratch.Layer is sys.modules["skscratch.nn.layer"].Layer
""")


def test_all_names_can_be_imported_at_once():
    run_python("""
from skscratch import *
assert make_tabular_classifier.__module__ == "skscratch.tabular.recipe"
assert Layer.__module__ == "skscratch.nn.layer"
""")


@pytest.mark.parametrize(
    "module",
    [
        *("nn.layer", "backends.choice", "training.solvers", "estimators.base"),
        "export.to_source",
    ],
)
def test_modules_are_attributes_of_the_package(module):
    run_python(f"import skscratch; skscratch.{module}")


# The estimator

# The only files that may know what an estimator keeps to itself; `_sklearn` wraps what
# is private in scikit-learn.
ESTIMATOR_FILES = {
    "_sklearn",
    "estimators.base",
    "estimators.classifier",
    "estimators.regressor",
}


def foreign_private_attributes(tree):
    """Private attributes of other objects than a class's own instance, by name.

    Objects of a class of ours are written ``self`` or ``cls``, or made by ``new`` in
    the class itself. Imported modules have no private names here at all.
    """
    found = set()
    # A dict of attributes may be handed to the estimator, which then sets them.
    keys = {
        id(key)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if is_private(node.attr) and not own:
                found.add(ast.unparse(node))
        # And by way of their names: getattr(x, "_y"), vars(x)["_y"], x.get("_y").
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in keys and is_private(node.value):
            found.add(repr(node.value))
    return found


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def attributes_of_estimators():
    """Private names that a fitted estimator, or its class, has."""
    names = set()
    for cls in (skscratch.ScratchMLPClassifier, skscratch.ScratchMLPRegressor):
        fitted = cls(max_iter=1, early_stopping=True, n_estimators=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.fit(np.arange(24.0)[:, np.newaxis], np.arange(24) % 2)
        for thing in (fitted, fitted.estimators_[0], *cls.__mro__):
            names.update(filter(is_private, vars(thing)))
    return names


@every_file
def test_only_the_estimators_touch_their_private_attributes(name):
    if name in ESTIMATOR_FILES:
        return
    private = attributes_of_estimators()
    for touched in foreign_private_attributes(TREES[name]):
        assert touched.rpartition(".")[2].strip("'\"") not in private, touched


def test_the_check_itself_sees_private_attributes():
    source = """
estimator._training
getattr(model, "_targets")
vars(member)["_training"] = None
self._own, cls._own
"""
    assert foreign_private_attributes(ast.parse(source)) == {
        *("estimator._training", "'_targets'", "'_training'"),
    }
    assert {"_targets", "_training", "_fit"} <= attributes_of_estimators()


@pytest.mark.parametrize("name", ["ScratchMLPClassifier", "ScratchMLPRegressor"])
def test_an_estimator_has_few_functions_of_ours(name):
    own = [
        f"{cls.__name__}.{attribute}"
        for cls in getattr(skscratch, name).__mro__
        if cls.__module__.startswith("skscratch")
        for attribute, value in vars(cls).items()
        if (callable(value) or hasattr(value, "__get__"))
        and (attribute == "__init__" or not attribute.startswith("__"))
    ]
    assert "BaseScratchMLP.fit" in own
    assert f"{name}.predict" in own
    assert len(own) <= 40, own


def test_a_fit_keeps_no_private_attributes_but_those_of_later_calls():
    estimator = skscratch.ScratchMLPClassifier(solver="lbfgs", random_state=0)
    estimator.fit(*load_iris(return_X_y=True))
    private = {attribute for attribute in vars(estimator) if is_private(attribute)}
    assert private == {"_targets", "_training"}


@every_file
def test_no_code_compares_the_name_of_a_solver(name):
    """The registry alone writes them, and the records of the table recipes."""
    names = {*skscratch.SOLVERS}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Compare):
            compared = {
                leaf.value
                for part in (node.left, *node.comparators)
                for leaf in ast.walk(part)
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
            }
            assert not compared & names


# What a file contains


@every_file
def test_every_file_says_what_lives_there(name):
    docstring = ast.get_docstring(TREES[name])
    assert docstring
    assert docstring.split("\n")[0].endswith((".", ":"))


@every_file
def test_only_estimators_and_the_command_line_print(name):
    calls = [
        node.lineno
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert not calls or name in PRINTING


@every_file
def test_nothing_runs_text_as_code_or_unpickles(name):
    names = {n.id for n in ast.walk(TREES[name]) if isinstance(n, ast.Name)}
    assert not names & {"eval", "exec", "compile", "__import__"}
    modules = {module.partition(".")[0] for module, _ in imports(TREES[name])}
    assert not modules & {
        "pickle",
        "cPickle",
        "dill",
        "cloudpickle",
        "marshal",
        "shelve",
    }
    attributes = [n for n in ast.walk(TREES[name]) if isinstance(n, ast.Attribute)]
    assert "allow_pickle" not in SOURCES[name]
    assert "joblib.load" not in {ast.unparse(node) for node in attributes}
    assert ("joblib", "load") not in imports(TREES[name])


@every_file
def test_randomness_is_an_argument(name):
    """NumPy's global state is what `np.random` offers in lower case, sources aside."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
            assert node.attr in {"RandomState", "Generator", "default_rng"}
    assert "random" not in {module for module, _ in imports(TREES[name])}


@pytest.mark.parametrize("name", LIBRARY)
def test_everything_offered_exists_and_is_listed_once(name):
    if name.startswith("backends.kernels."):
        pytest.importorskip("numba", reason="The extra 'fast' is not installed.")
    module = importlib.import_module(f"skscratch.{name}".removesuffix(".__init__"))
    assert isinstance(module.__all__, list)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, item) for item in module.__all__)


def test_package_offers_what_it_imports():
    # They are imported when they are asked for, and for type checkers.
    offered = {
        item
        for node in ast.walk(TREES["__init__"])
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skscratch.")
        for item in (alias.asname or alias.name for alias in node.names)
    }
    assert set(skscratch.__all__) == offered
    for name in ("tanh", "d_tanh", "sigmoid", "d_sigmoid", "logloss", "d_logloss"):
        assert name in offered


def test_visible_entries_of_the_repository_are_few():
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        [git, "-C", REPOSITORY, "ls-files"], capture_output=True, text=True, check=True
    )
    entries = {line.split("/")[0] for line in listed.stdout.splitlines()}
    visible = {entry for entry in entries if not entry.startswith(".")}
    assert visible <= {
        "README.md",
        "benchmarks",
        "pyproject.toml",
        "skscratch",
        "tests",
    }


# What the documentation says


def public_things():
    """Yield name and object of every public class, function and method."""
    for file in LIBRARY:
        if file.startswith("backends.kernels.") and not is_installed():
            continue  # They import Numba.
        module = importlib.import_module(f"skscratch.{file}".removesuffix(".__init__"))
        for name in module.__all__:
            thing = getattr(module, name)
            if getattr(thing, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{file}.{name}", thing
            if inspect.isclass(thing):
                for method, function in vars(thing).items():
                    function = getattr(function, "__func__", function)
                    if method[0] != "_" and inspect.isfunction(function):
                        yield f"{file}.{name}.{method}", function


THINGS = dict(public_things())
every_thing = pytest.mark.parametrize("name", THINGS)


def section(thing, title):
    """Entries of a numpydoc section: names, and type with default as written."""
    docstring = inspect.cleandoc(thing.__doc__ or "")
    match = re.search(
        rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", docstring, re.M | re.S
    )
    if match is None:
        return None
    heads = re.findall(
        r"^(\*{0,2}\w[\w, *]*?)(?: : ((?:.|\n(?= +\S.*\}))*))?$", match[1], re.M
    )
    return [(names.split(", "), kind) for names, kind in heads]


def documented_defaults(entries):
    """Pairs of a name and its default as documented, None where there is none."""
    for names, kind in entries:
        _, marked, default = kind.partition(", default=")
        if not marked:
            defaults = [None] * len(names)
        elif len(names) == 1:
            defaults = [default]
        else:
            defaults = default.split(", ")
        yield from zip(names, defaults, strict=True)


def written(default):
    """Classes and functions as their names, alone or in a tuple."""
    if isinstance(default, tuple):
        return f"({', '.join(map(written, default))})"
    return getattr(default, "__name__", repr(default))


def says(documented, default):
    """Whether a documented default is the real one."""
    if documented is None or default is inspect.Parameter.empty:
        return documented is None and default is inspect.Parameter.empty
    try:
        value = ast.literal_eval(documented)
    except ValueError:
        return documented == written(default)
    return type(value) is type(default) and value == default


def parameters(thing):
    own = inspect.signature(thing).parameters.values()
    return [(p.name, p.default) for p in own if p.name not in ("self", "cls")]


@every_thing
def test_every_public_thing_is_documented(name):
    assert THINGS[name].__doc__


@every_thing
def test_parameters_and_defaults_are_documented_as_they_are(name):
    thing = THINGS[name]
    entries = section(thing, "Parameters")
    if entries is None:
        # A record documents its fields as attributes, a method may be of one line.
        is_record = inspect.isclass(thing) and hasattr(thing, "__annotations__")
        is_method = inspect.isfunction(thing) and "." in thing.__qualname__
        inherits = inspect.isclass(thing) and "__init__" not in vars(thing)
        takes_none = not parameters(thing)
        is_short = is_method or takes_none or thing.__name__ in SHORT
        assert is_record or inherits or is_short
        return
    documented, real = list(documented_defaults(entries)), parameters(thing)
    names = [name.lstrip("*") for name, _ in documented]
    assert names == [name for name, _ in real]
    for (name, said), (_, default) in zip(documented, real, strict=True):
        # "As in the constructor" documents a type elsewhere, never a default.
        assert says(said, default), f"{name}={default!r} is documented as {said}"


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, t in THINGS.items()
        if hasattr(t, "_fields") or hasattr(t, "__dataclass_fields__")
    ],
)
def test_fields_of_records_are_documented_as_they_are(name):
    record = THINGS[name]
    attributes = section(record, "Attributes") or []
    documented = [n for names, _ in attributes for n in names]
    assert documented == [name for name, _ in parameters(record)]
    for name, said in documented_defaults(attributes):
        default = dict(parameters(record))[name]
        assert said is None or says(said, default)


@every_thing
def test_accepted_names_are_those_of_the_registry(name):
    for (parameter, *_), kind in section(THINGS[name], "Parameters") or []:
        listed = re.match(r"\{(.*?)\}", kind, re.S)
        if listed and parameter in REGISTRIES:
            names = re.findall(r"""["']([^"']+)["']""", listed[1])
            known = REGISTRIES[parameter]
            if name.endswith("ScratchMLPRegressor") and parameter == "loss":
                known = known - CLASSIFYING
            assert set(names) == known
            assert len(names) == len(set(names))


def test_the_check_itself_sees_what_has_drifted():
    def documented(alpha, beta=2, *, gamma="auto", delta=(1,)):
        """Do nothing.

        Parameters
        ----------
        alpha : float
            More of it, default=1 or not.
        beta, gamma : int or str, default=2, 'auto'
            Both.
        delta : tuple of int, default=(1,)

        Returns
        -------
        nothing : float, default=3
        """

    entries = section(documented, "Parameters")
    found = list(documented_defaults(entries))
    assert found == [
        ("alpha", None),
        ("beta", "2"),
        ("gamma", "'auto'"),
        ("delta", "(1,)"),
    ]
    assert all(
        says(said, default)
        for (_, said), (_, default) in zip(found, parameters(documented), strict=True)
    )
    assert not says("3", 2)
    assert not says("2", 2.0)
    assert not says(None, 2)
    assert not says("None", inspect.Parameter.empty)
    assert not says("'aut'", "auto")
    assert says("(int, 1)", (int, 1))
    assert not says("(int, 1)", (float, 1))
    assert section(documented, "Attributes") is None
