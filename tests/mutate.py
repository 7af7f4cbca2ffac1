"""Break the mathematics in small ways and see whether the tests notice.

    python tests/mutate.py [--files activations losses] [--sample 200] [--seed 0]

Each mutant is one file of the package with one thing changed, as its syntax tree
offers it: an operator, a comparison, a constant, an axis, a function, a condition, a
statement. It is tested in a copy of the package and of its tests, never here, first by
the tests of its own file and then by those of the files that use it. One that passes
them all is a test that is missing, unless it is listed in ``CHANGES_NOTHING``.

Run it by hand: it takes a few seconds for a mutant that is killed, and a minute or two
for one that survives.
"""

import argparse
import ast
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]

# The tests that concern each file, after its own.
OTHER_TESTS = {
    "activations": ["layers", "network", "structure", "allocations"],
    "losses": ["network", "options", "training", "allocations", "ensembles"],
    "layers": ["network", "gradient_check", "options", "training", "allocations"],
    "optimizers": ["options", "training", "structure", "allocations"],
    "schedules": ["options", "training", "structure", "ensembles"],
    "buffers": ["layers", "network", "training", "optimizers", "allocations"],
    "tapes": ["training", "allocations", "activations", "network"],
}

# Of the parity with scikit-learn, the tests that take seconds.
PARITY = ["bundled_data_sets", "one_class", "saturated_probabilities"]

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
# Of `np` and `math`: operators by another name, and what is mistaken for another.
FUNCTIONS = {
    "add": "subtract",
    "subtract": "add",
    "multiply": "divide",
    "divide": "multiply",
    "maximum": "minimum",
    "minimum": "maximum",
    "greater": "greater_equal",
    "negative": "positive",
    "positive": "negative",
    "exp": "expm1",
    "expm1": "exp",
    "log": "log1p",
    "log1p": "log",
    "log2": "log",
    "sqrt": "exp",
    "cos": "sin",
    "ones_like": "zeros_like",
    "zeros": "ones",
}
STRINGS = {"C": "F", "F": "C", "ignore": "raise"}

# Functions that only make text.
TEXTS = {"__repr__", "_wrong_mask", "_wrong_shape"}

# What is no change of the program: file, line, line of the mutant, and why.
CHANGES_NOTHING = [
    (
        "activations",
        "_BLOCK = 4096",
        "_BLOCK = 4097",
        "How many numbers a pass takes at a time is a matter of speed.",
    ),
    (
        "activations",
        "_FAR = 1e3",
        "_FAR = 1010.0",
        "What it bounds is multiplied by 0, as the comment there says, from 746 on.",
    ),
    (
        "activations",
        "E = np.exp(np.minimum(Z, 20))",
        "E = np.exp(np.minimum(Z, 21))",
        "From 20 on the quotient is 1 in every precision, as the docstring says.",
    ),
    (
        "activations",
        'return "A" if self.needs_Z else "Z"',
        "return 'A_' if self.needs_Z else \"Z\"",
        "The name of a buffer that nothing else uses.",
    ),
    (
        "activations",
        'return self.room_of_A if self.in_place else "dZ"',
        "return self.room_of_A if self.in_place else 'dZ_'",
        "The name of a buffer that nothing else uses.",
    ),
    (
        "activations",
        '"identity": Activation(identity, d_identity, in_place=True),',
        '"identity": Activation(identity, d_identity, in_place=False),',
        "Where its derivative is written: the layers skip it, as it is 1.",
    ),
    (
        "losses",
        "return summed / np.reshape(total, -1)",
        "return summed / np.reshape(total, -2)",
        "Any negative length is the one that is left to NumPy.",
    ),
    (
        "optimizers",
        "BLOCK = 30_000",
        "BLOCK = 30001",
        "How many numbers a pass takes at a time is a matter of speed.",
    ),
    (
        "optimizers",
        "LARGEST_WEIGHT = 100",
        "LARGEST_WEIGHT = 101",
        "When the moments are brought back to a weight of 1 is a matter of rounding.",
    ),
    (
        "optimizers",
        "if weight < LARGEST_WEIGHT * beta:",
        "if (weight <= LARGEST_WEIGHT * beta):",
        "When the moments are brought back to a weight of 1 is a matter of rounding.",
    ),
    (
        "tapes",
        "REHEARSALS = 3",
        "REHEARSALS = 4",
        "After how many steps one is recorded is a matter of speed.",
    ),
    (
        "tapes",
        "self.n_times, self.is_proved = 0, False",
        "self.n_times, self.is_proved = 1, False",
        "After how many steps one is recorded is a matter of speed.",
    ),
    (
        "tapes",
        'function = ufunc if method == "__call__" else getattr(ufunc, method)',
        "function = ufunc if method == '__call___' else getattr(ufunc, method)",
        "An attribute of that name calls the ufunc too.",
    ),
    (
        "tapes",
        "shape = inputs[0].shape",
        "shape = inputs[1].shape",
        "A batch has as many targets as samples.",
    ),
    (
        "tapes",
        "for layer, own in zip(layers, of_layers, strict=True):",
        "for layer, own in zip(layers, of_layers, strict=False):",
        "The two are of one length.",
    ),
    (
        "tapes",
        "for one, other in zip(played, (result, gradients), strict=True)",
        "for one, other in zip(played, (result, gradients), strict=False)",
        "The two are of one length.",
    ),
]


class Mutant(NamedTuple):
    """One change of one file.

    Attributes
    ----------
    file : str
        The module, without its ``.py``.
    kind : str
        What sort of thing is changed.
    line : int
        Where, from 1.
    before, after : str
        The source line, and what takes its place.
    source : str
        The file with the change.
    """

    file: str
    kind: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self):
        return (
            f"skscratch/{self.file}.py:{self.line} ({self.kind})\n"
            f"    - {self.before}\n    + {self.after}"
        )


class Mutations(ast.NodeVisitor):
    """All changes of a file, one by one, in the order of its source.

    Docstrings, annotations, ``__all__``, decorators, imports, and what only makes the
    text of a message are left alone; so are the names of buffers, any of which will do.

    Parameters
    ----------
    file : str
        Name of the module.
    source : str
        Its text.

    Attributes
    ----------
    mutants : list of Mutant
    """

    def __init__(self, file, source):
        self.file, self.mutants = file, []
        # Bytes, which is what the columns of a syntax tree count.
        self._lines = source.encode().splitlines(keepends=True)
        self.visit(ast.parse(source))

    def visit_FunctionDef(self, node):
        if node.name not in TEXTS:
            for default in [*node.args.defaults, *node.args.kw_defaults]:
                if default is not None:
                    self.visit(default)
            self._visit_all(node.body)

    def visit_ClassDef(self, node):
        self._visit_all(node.body)

    def visit_Import(self, node):
        pass

    visit_ImportFrom = visit_JoinedStr = visit_Import

    def visit_Expr(self, node):
        if not isinstance(node.value, ast.Constant):
            self._drop(node)

    def visit_Assign(self, node):
        if ast.unparse(node.targets[0]) != "__all__":
            self._drop(node)

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self._drop(node, [node.value])

    def visit_AugAssign(self, node):
        self._drop(node, [])
        self._swap_operator(node)
        self.visit(node.value)

    def visit_Return(self, node):
        self._drop(node)

    def visit_Raise(self, node):
        self._drop(node, [])

    def visit_If(self, node):
        self._negate(node.test)
        self.generic_visit(node)

    visit_IfExp = visit_If

    def visit_BinOp(self, node):
        self._swap_operator(node)
        self.generic_visit(node)

    visit_BoolOp = visit_BinOp

    def visit_Compare(self, node):
        for i, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                ops = [*node.ops[:i], other(), *node.ops[i + 1 :]]
                new = ast.Compare(node.left, ops, node.comparators)
                self._add("comparison", node, new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        number = getattr(node.operand, "value", None)
        if isinstance(node.op, ast.USub) and type(number) is int:
            # From the end: of two axes, the other one.
            self._add("axis", node, ast.Constant(-3 + number))
            return
        self._add("operator", node, node.operand)
        self.visit(node.operand)

    def visit_Call(self, node):
        name = ast.unparse(node.func).rpartition(".")[2]
        if name.endswith("Error"):
            return
        self.visit(node.func)
        self._visit_all(node.args[name == "buffers" :])
        self._visit_all(node.keywords)

    def visit_Attribute(self, node):
        if ast.unparse(node.value) in ("np", "math") and node.attr in FUNCTIONS:
            new = ast.Attribute(node.value, FUNCTIONS[node.attr])
            self._add("function", node, new)
        self.visit(node.value)

    def visit_Constant(self, node):
        value = node.value
        if isinstance(value, bool):
            self._add("constant", node, ast.Constant(not value))
        elif isinstance(value, int):
            self._add("constant", node, ast.Constant(value + 1))
        elif isinstance(value, float):
            self._add("constant", node, ast.Constant(value * 1.01 or 0.01))
        elif isinstance(value, str):
            new = STRINGS.get(value, value + "_")
            self._add("constant", node, ast.Constant(new))

    def _visit_all(self, nodes):
        for node in nodes:
            self.visit(node)

    def _drop(self, statement, parts=None):
        self._add("statement", statement, ast.Pass())
        if parts is None:
            self.generic_visit(statement)
        else:
            self._visit_all(parts)

    def _swap_operator(self, node):
        new = type(node)(**vars(node) | {"op": OPERATORS[type(node.op)]()})
        self._add("operator", node, new)

    def _negate(self, test):
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            self._add("condition", test, ast.UnaryOp(ast.Not(), test))

    def _add(self, kind, node, new):
        """Note the change that puts ``new`` where ``node`` stands."""
        text = ast.unparse(new)
        if isinstance(new, ast.BinOp | ast.BoolOp | ast.Compare | ast.UnaryOp):
            text = f"({text})"
        first, last = node.lineno - 1, node.end_lineno - 1
        head = self._lines[first][: node.col_offset]
        tail = self._lines[last][node.end_col_offset :]
        changed = head + text.encode() + tail
        lines = [*self._lines[:first], changed, *self._lines[last + 1 :]]
        before, after = (
            line.decode().strip() for line in (self._lines[first], changed)
        )
        source = b"".join(lines).decode()
        self.mutants.append(Mutant(self.file, kind, first + 1, before, after, source))


class Copy:
    """A copy of the package and its tests, in which one mutant after another lives.

    Parameters
    ----------
    folder : Path
        Where it is made.
    deselected : list of str
        Tests that are left out, as pytest names them.
    """

    def __init__(self, folder, deselected=()):
        self.folder, self.deselected = folder, deselected
        ignore = shutil.ignore_patterns("__pycache__")
        for part in ("skscratch", "tests"):
            shutil.copytree(REPOSITORY / part, folder / part, ignore=ignore)
        shutil.copy(REPOSITORY / "pyproject.toml", folder)
        # The first example that fails will do; hypothesis need not make it small.
        with (folder / "tests" / "conftest.py").open("a") as file:
            file.write(
                "\nfrom hypothesis import Phase\n"
                "settings.register_profile('mutants', settings.get_profile('ci'),"
                " phases=[Phase.explicit, Phase.generate])\n"
                "settings.load_profile('mutants')\n"
            )

    def read(self, file):
        """Source of a file of the package."""
        return self._path(file).read_text("utf-8")

    def killer(self, mutant, timeout):
        """Name of the test that fails with a mutant, "timeout", or None."""
        original = self.read(mutant.file)
        self._write(mutant.file, mutant.source)
        try:
            return self.first_failure(mutant.file, timeout)
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            self._write(mutant.file, original)

    def first_failure(self, file, timeout=None):
        """Name of the first test that fails of those that concern a file, or None.

        Raises
        ------
        subprocess.TimeoutExpired
            If a stage of them takes more seconds than ``timeout``.
        """
        for stage in stages(file):
            # What killed the mutants before is likely to kill this one.
            command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "--ff"]
            done = subprocess.run(
                [*command, *stage, *(f"--deselect={t}" for t in self.deselected)],
                cwd=self.folder,
                env=os.environ | {"CI": "true", "PYTHONPATH": str(self.folder)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                timeout=timeout,
            )
            if done.returncode:
                return next(
                    (
                        line.split()[1]
                        for line in done.stdout.splitlines()
                        if line.startswith(("FAILED", "ERROR"))
                    ),
                    f"pytest's exit code {done.returncode}",
                )
        return None

    def _path(self, file):
        return self.folder / "skscratch" / f"{file}.py"

    def _write(self, file, source):
        # Two mutants of one second and one length look the same to the cache.
        for compiled in (self.folder / "skscratch/__pycache__").glob(f"{file}.*"):
            compiled.unlink()
        self._path(file).write_text(source, "utf-8")


def stages(file):
    """Arguments of pytest for the tests that concern a file, its own first."""
    yield [f"tests/test_{file}.py"]
    yield [f"tests/test_{name}.py" for name in OTHER_TESTS[file]]
    yield ["tests/test_parity.py", "-k", " or ".join(PARITY)]


def reason_to_live(mutant):
    """Why a mutant changes nothing, None where it should."""
    for *change, reason in CHANGES_NOTHING:
        if [mutant.file, mutant.before, mutant.after] == change:
            return reason
    return None


def find_mutants(sources):
    """All mutants of some files, by their names, but those that change nothing.

    Raises
    ------
    ValueError
        If one that is listed as changing nothing is not to be found any more.
    """
    mutants = [m for f, source in sources.items() for m in Mutations(f, source).mutants]
    found = {(m.file, m.before, m.after) for m in mutants}
    for file, before, after, _ in CHANGES_NOTHING:
        if file in sources and (file, before, after) not in found:
            raise ValueError(f"no mutant of {file}.py makes {before!r} {after!r}.")
    kept = [mutant for mutant in mutants if reason_to_live(mutant) is None]
    print(
        f"{len(kept)} mutants, and {len(mutants) - len(kept)} more that change nothing"
    )
    return kept


def time_limits(copy, files):
    """Seconds after which a mutant of each file hangs, from a run without a mutant.

    Raises
    ------
    RuntimeError
        If the tests fail as they are.
    """
    limits = {}
    for file in files:
        start = time.perf_counter()
        failure = copy.first_failure(file)
        seconds = time.perf_counter() - start
        if failure is not None:
            raise RuntimeError(f"{failure} fails without a mutant; see --deselect.")
        print(f"{file}: its tests take {seconds:.0f} s", flush=True)
        limits[file] = 30 + 3 * seconds
    return limits


def judge(mutants, copies, limits):
    """Yield each mutant with what killed it, as many at a time as there are copies."""
    free = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judge_one(mutant):
        copy = free.get()
        try:
            return copy.killer(mutant, limits[mutant.file])
        finally:
            free.put(copy)

    executor = ThreadPoolExecutor(len(copies))
    try:
        yield from zip(mutants, executor.map(judge_one, mutants), strict=True)
    finally:
        executor.shutdown(cancel_futures=True)


def table(outcomes):
    """Killed of all, by kind of mutation and by file."""
    killed, total = Counter(), Counter()
    for mutant, killer in outcomes:
        for kind in (mutant.kind, "all"):
            for file in (mutant.file, "all"):
                total[kind, file] += 1
                killed[kind, file] += killer is not None
    kinds = [*sorted({mutant.kind for mutant, _ in outcomes}), "all"]
    files = [*sorted({mutant.file for mutant, _ in outcomes}), "all"]
    rows = [["", *files]]
    for kind in kinds:
        cells = (f"{killed[kind, file]} of {total[kind, file]}" for file in files)
        rows.append([kind, *cells])
    return "\n".join("".join(f"{cell:>13}" for cell in row) for row in rows)


def main(arguments=None):
    """Run the command line; return 1 where a mutant survives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    files = list(OTHER_TESTS)
    parser.add_argument("--files", nargs="+", choices=files, default=files)
    parser.add_argument("--sample", type=int, help="how many mutants, all if not said")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--list", action="store_true", help="show all and test none")
    parser.add_argument("--deselect", nargs="+", default=[], help="tests to leave out")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        copies = [
            Copy(Path(folder, str(job)), options.deselect)
            for job in range(options.jobs)
        ]
        mutants = find_mutants({file: copies[0].read(file) for file in options.files})
        if options.sample is not None and options.sample < len(mutants):
            numbers = range(len(mutants))
            chosen = random.Random(options.seed).sample(numbers, options.sample)
            mutants = [mutants[i] for i in sorted(chosen)]
        if options.list:
            print(*mutants, sep="\n")
            return 0
        outcomes = []
        limits = time_limits(copies[0], options.files)
        for mutant, killer in judge(mutants, copies, limits):
            outcomes.append((mutant, killer))
            print(f"[{len(outcomes)}/{len(mutants)}] {mutant}")
            print(f"    killed by {killer}" if killer else "    SURVIVED", flush=True)
    survivors = [mutant for mutant, killer in outcomes if killer is None]
    n_late = sum(killer == "timeout" for _, killer in outcomes)
    print("\nKilled, of all:", table(outcomes), sep="\n")
    print(f"\n{len(survivors)} survived; {n_late} were killed by the time they took.")
    print(*survivors, sep="\n")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
