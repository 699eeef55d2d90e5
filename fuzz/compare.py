"""Runs Python programs before and after their imports were rewritten, and compares what they do.

Reads what `examples/programs.rs` prints. Every module is an object that only knows its name, and
the package has one name, however it is imported: what a program calls, sets, deletes, compares
and formats must be the same before and after. Python 3.12 or later.

    programs --random 20000 1 | python3 compare.py
"""

import ast
import builtins
import collections
import itertools
import json
import multiprocessing
import re
import resource
import sys
import warnings

EVENTS_MAX = 400
LABEL_MAX = 4000
ITERATIONS_MAX = 2
BYTES_MAX = 2 << 30
# Programs in one process.
TOGETHER = 200


class Enough(BaseException):
    """A program has done all that is looked at."""


class World:
    """What a program does, told by names that are the same before and after the move."""

    def __init__(self, case, module):
        self.names = sorted([case["from"], case["to"]], key=len, reverse=True)
        package = module and (module if case["is_package"] else module.rpartition(".")[0])
        self.package = package or ""
        self.events = []
        self.stored = {}
        self.tests = 0
        self.running = 0
        self.is_beyond = False
        self.imported = set()

    def canonical(self, name):
        for package in self.names:
            if name == package or name.startswith(package + "."):
                return "PACKAGE" + name[len(package):]
        return name

    def text(self, text):
        text = re.sub(r" at 0x\w+", "", text)
        for package in self.names:
            text = re.sub(rf"(?<![\w.]){re.escape(package)}(?!\w)", "PACKAGE", text)
        return text

    def log(self, what, *objects):
        self.events.append((what, *map(self.shown, objects)))
        if len(self.events) > EVENTS_MAX:
            raise Enough

    def shown(self, value):
        if isinstance(value, Thing):
            return vars(value)["label"]
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (tuple, list)):
            return [self.shown(item) for item in value]
        if isinstance(value, dict):
            return [(self.shown(k), self.shown(v)) for k, v in value.items()]
        return type(value).__name__

    def thing(self, label):
        if len(label) > LABEL_MAX:
            raise Enough
        return Thing(self, self.canonical(label))

    def importing(self, name, globals=None, locals=None, fromlist=(), level=0):
        if level:
            parts = self.package.split(".") if self.package else []
            if level > len(parts):
                self.is_beyond = True
                raise ImportError("beyond the top")
            base = parts[: len(parts) + 1 - level]
            name = ".".join(base + ([name] if name else []))
        parts = name.split(".")
        self.imported.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
        self.imported.update(f"{name}.{item}" for item in fromlist or ())
        if not fromlist and not level:
            return self.thing(name.partition(".")[0])
        return self.thing(name)


class Thing:
    """A module, or whatever comes of one."""

    def __init__(self, world, label, namespace=None):
        if isinstance(world, World):
            vars(self).update(world=world, label=label)
            return
        # As the metaclass of a class that has one as its base.
        name, bases = world, label
        base = next(base for base in bases if isinstance(base, Thing))
        shown = vars(base)["world"].shown(bases)
        vars(self).update(world=vars(base)["world"], label=f"class {name}{shown}")

    def __getattr__(self, name):
        if name == "__all__":
            return ()
        if name.startswith("__"):
            raise AttributeError(name)
        world = vars(self)["world"]
        name = f"{vars(self)['label']}.{name}"
        # Of its parent the package is no attribute before it was imported.
        if name in world.names and name not in world.imported:
            raise AttributeError(name)
        label = world.canonical(name)
        if label in world.stored:
            return world.stored[label]
        return world.thing(label)

    def __setattr__(self, name, value):
        world = vars(self)["world"]
        label = world.canonical(f"{vars(self)['label']}.{name}")
        world.log("set", label, value)
        world.stored[label] = value

    def __delattr__(self, name):
        world = vars(self)["world"]
        label = world.canonical(f"{vars(self)['label']}.{name}")
        world.log("delete", label)
        world.stored.pop(label, None)

    def does(self, what, *others):
        world = vars(self)["world"]
        world.log(what, self, *others)
        return world.thing(f"{what}({vars(self)['label']})")

    def __call__(self, *arguments, **named):
        return self.does("call", arguments, named)

    def __getitem__(self, key):
        return self.does("get", key)

    def __setitem__(self, key, value):
        self.does("put", key, value)

    def __delitem__(self, key):
        self.does("remove", key)

    def __add__(self, other):
        return self.does("add", other)

    def __radd__(self, other):
        return self.does("added", other)

    def __or__(self, other):
        return self.does("or", other)

    def __contains__(self, item):
        self.does("contains", item)
        return False

    def __eq__(self, other):
        self.does("equals", other)
        return isinstance(other, Thing) and vars(self)["label"] == vars(other)["label"]

    def __hash__(self):
        return hash(vars(self)["label"])

    def __bool__(self):
        world = vars(self)["world"]
        self.does("is true")
        world.tests += 1
        return world.tests % 3 != 0

    def __iter__(self):
        self.does("iterate")
        world, label = vars(self)["world"], vars(self)["label"]
        return iter([Thing(world, f"{label}[0]"), Thing(world, f"{label}[1]")])

    def __enter__(self):
        return self.does("enter")

    def __exit__(self, *error):
        self.does("exit")
        return False

    def __format__(self, spec):
        self.does("format", spec)
        return "formatted"

    def __repr__(self):
        self.does("repr")
        return "shown"


class Everything(ast.NodeTransformer):
    """Has every function called, every generator gone through, and no loop without end. Strings
    say the same before and after.
    """

    def __init__(self, world):
        self.world = world

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            node.value = self.world.text(node.value)
        elif isinstance(node.value, bytes):
            node.value = self.world.text(node.value.decode()).encode()
        return node

    def call(self, name, *arguments):
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        return [node, ast.Expr(self.call("__run__", ast.Name(node.name, ast.Load())))]

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_TypeAlias(self, node):
        self.generic_visit(node)
        return [node, ast.Expr(self.call("__alias__", ast.Name(node.name.id, ast.Load())))]

    def visit_Lambda(self, node):
        self.generic_visit(node)
        return self.call("__run__", node)

    def visit_GeneratorExp(self, node):
        self.generic_visit(node)
        return self.call("__consume__", node)

    def visit_While(self, node):
        self.generic_visit(node)
        node.test = self.call("__loop__", node.test, ast.Constant(node.lineno))
        return node


def named(source):
    """Every name that is given a meaning by something else than an import, or that is a keyword:
    none of them may ever change.
    """
    names = []
    for node in ast.walk(ast.parse(source.encode())):
        kind = type(node).__name__
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append((kind, node.name))
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.append((kind, node.id))
        elif isinstance(node, (ast.arg, ast.keyword)):
            names.append((kind, node.arg))
        elif isinstance(node, ast.Nonlocal):
            names.append((kind, node.names))
        elif isinstance(node, ast.MatchClass):
            names.append((kind, node.kwd_attrs))
        elif isinstance(node, ast.MatchMapping):
            names.append((kind, node.rest))
        elif hasattr(node, "name") and kind not in ("alias", "TypeAlias"):
            names.append((kind, node.name))
    return names


def run(source, case, module):
    """What a program does, or nothing if it is none."""
    try:
        tree = ast.parse(source.encode())
        # Scopes are judged by the compiler.
        compile(source.encode(), "program", "exec")
    except (SyntaxError, ValueError):
        return None
    world = World(case, module)
    loops = {}

    def call(function):
        if world.running > 3:
            return function
        world.running += 1
        code = getattr(function, "__code__", None)
        try:
            if code is not None:
                count = code.co_argcount
                done = function(*[world.thing(f"argument{i}") for i in range(count)])
                if hasattr(done, "send"):
                    done.send(None)
                world.log("returned", done)
            elif isinstance(function, Thing):
                function()
        except Exception as error:
            world.log("raised", type(error).__name__)
        finally:
            world.running -= 1
        return function

    def alias(value):
        try:
            world.log("alias", value.__value__)
        except Exception as error:
            world.log("raised", type(error).__name__)

    def loop(value, line):
        loops[line] = loops.get(line, 0) + 1
        return bool(value) and loops[line] <= ITERATIONS_MAX

    def consume(generator):
        return world.thing(f"list of {len(list(generator))}")

    known = vars(builtins) | {
        "__import__": world.importing,
        "__run__": call,
        "__alias__": alias,
        "__loop__": loop,
        "__consume__": consume,
        "print": lambda *a: world.log("print", a),
    }
    namespace = {"__builtins__": known, "__name__": "program"}
    for name in ["f", "a", "b", "x", "older", "importlib", "import_module", "mock"]:
        namespace[name] = world.thing(name)
    tree = ast.fix_missing_locations(Everything(world).visit(tree))
    try:
        for statement in tree.body:
            try:
                exec(compile(ast.Module([statement], []), "program", "exec", dont_inherit=True), namespace)
            except Exception as error:
                world.log("raised", type(error).__name__)
    except Enough:
        pass
    # What lies beyond every package may be within one after the move.
    return [] if world.is_beyond else world.events


def is_mended(before, after):
    """Whether all that is different is that a name means something which meant nothing."""
    for a, b in itertools.zip_longest(before, after):
        if a != b:
            return a in [("raised", "NameError"), ("raised", "AttributeError")]
    return False


def compare(lines):
    """Compares some programs, and tells what is different; in a process of its own, since there
    are programs that CPython itself does not survive.
    """
    counts = collections.Counter()
    for line in lines:
        case = json.loads(line)
        counts["programs"] += 1
        before = run(case["source"], case, case["before"])
        if not before:
            continue
        if case["refused"]:
            counts["refused that are Python"] += 1
            continue
        # What is left to a person need not work before he has answered.
        kinds = {question["kind"] for question in case["questions"]}
        if kinds & {"split_import", "ambiguous_name"}:
            continue
        after = run(case["now"], case, case["after"])
        if after == []:
            continue
        counts["compared"] += 1
        counts["events"] += len(before)
        if after is not None and named(case["source"]) != named(case["now"]):
            before, after = named(case["source"]), named(case["now"])
        if before == after or (after is not None and is_mended(before, after)):
            continue
        counts["different"] += 1
        print(json.dumps(case, indent=1).replace("\\n", "\n"))
        if after is None:
            print("is no Python afterwards")
            continue
        for number, (a, b) in enumerate(itertools.zip_longest(before, after)):
            if a != b:
                print(f"event {number}: {a} became {b}")
                break
    return counts


def apart(lines, pipe):
    resource.setrlimit(resource.RLIMIT_AS, (BYTES_MAX, BYTES_MAX))
    try:
        counts = compare(lines)
    except MemoryError:
        counts = collections.Counter({"given up": len(lines)})
    pipe.send(counts)


def main():
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(300)
    counts = collections.Counter(different=0)
    while lines := list(itertools.islice(sys.stdin, TOGETHER)):
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=apart, args=(lines, there))
        process.start()
        there.close()
        try:
            counts += here.recv()
        except EOFError:
            counts["given up"] += len(lines)
        process.join()
        if process.exitcode > 0:
            # A defect of this program, not of one that it runs.
            return True
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return counts["different"] > 0


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
