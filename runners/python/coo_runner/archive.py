"""Imports modules from memory: a script's own files, wheels that came with it, the standard library.

A sandbox has no files, so every import that is not in the snapshot goes through a `Finder` over an
`Archive`. Never looks anywhere else, and never runs code while it looks.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources.abc import ResourceReader
from types import CodeType, ModuleType

#: What is to be done with a module when it has been imported, by its name.
after_import: dict[str, Callable[[ModuleType], None]] = {}

NATIVE_SUFFIXES = (".so", ".pyd", ".dylib")


class Archive:
    """A tree of files by their paths, with `/` between the parts."""

    #: What stands before a path in tracebacks: nothing for the author's own files.
    prefix = ""

    def names(self) -> Iterable[str]:
        raise NotImplementedError

    def read(self, path: str) -> bytes:
        raise NotImplementedError

    def code(self, path: str) -> CodeType:
        return compile(self.read(path), self.prefix + path, "exec", dont_inherit=True)


class Files(Archive):
    """Files whose text is at hand: the script and what stands beside it."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def names(self) -> Iterable[str]:
        return self._files

    def read(self, path: str) -> bytes:
        return self._files[path].encode()


class Wheel(Archive):
    """A zip file in memory."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.prefix = name + "/"
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        self._names = [name for name in self._zip.namelist() if not name.endswith("/")]

    def names(self) -> Iterable[str]:
        return self._names

    def read(self, path: str) -> bytes:
        return self._zip.read(path)


class Library(Archive):
    """The standard library: the source of each module, compressed when the runner was built."""

    def __init__(self, prefix: str, modules: Mapping[str, bytes]) -> None:
        self.prefix = prefix
        self._modules = modules

    def names(self) -> Iterable[str]:
        return self._modules

    def read(self, path: str) -> bytes:
        return zlib.decompress(self._modules[path])


class Loader(importlib.abc.InspectLoader):
    """Loads one module of an archive."""

    def __init__(self, archive: Archive, path: str) -> None:
        self.archive = archive
        self.path = path

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.archive.code(self.path), module.__dict__)
        then = after_import.get(module.__name__)
        if then is not None and isinstance(self.archive, Library):
            then(module)

    def get_code(self, fullname: str) -> CodeType:
        return self.archive.code(self.path)

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.archive.read(self.path))

    def is_package(self, fullname: str) -> bool:
        return self.path.endswith("__init__.py")

    def get_filename(self, fullname: str) -> str:
        return self.archive.prefix + self.path

    def get_data(self, path: str) -> bytes:
        """Reads a file beside the module (`pkgutil.get_data`)."""
        try:
            return self.archive.read(path.removeprefix(self.archive.prefix))
        except KeyError as error:
            raise FileNotFoundError(2, "no such file in the package", path) from error

    def get_resource_reader(self, fullname: str) -> Resources | None:
        if not self.is_package(fullname):
            return None
        return Resources(self.archive, self.path.removesuffix("__init__.py"))


class Resources(ResourceReader):
    """Files of a package for `importlib.resources`."""

    def __init__(self, archive: Archive, folder: str) -> None:
        self._archive = archive
        self._folder = folder

    def open_resource(self, resource: str) -> io.BytesIO:
        try:
            return io.BytesIO(self._archive.read(self._folder + resource))
        except KeyError as error:
            raise FileNotFoundError(2, "no such file in the package", resource) from error

    def resource_path(self, resource: str) -> str:
        raise FileNotFoundError(2, "a file of a package has no path in the sandbox", resource)

    def is_resource(self, name: str) -> bool:
        return self._folder + name in set(self._archive.names())

    def contents(self) -> Iterator[str]:
        inside = (name[len(self._folder) :] for name in self._archive.names() if name.startswith(self._folder))
        return iter(dict.fromkeys(name.split("/")[0] for name in inside))


class Finder(importlib.abc.MetaPathFinder):
    """Finds modules in one archive."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._modules: dict[str, str] = {}
        self._folders: set[str] = set()
        self._native: dict[str, str] = {}
        for path in archive.names():
            folder, _, name = path.rpartition("/")
            package = folder.replace("/", ".")
            if name == "__init__.py":
                self._modules[package] = path
            elif name.endswith(".py"):
                self._modules.setdefault(_joined(package, name.removesuffix(".py")), path)
            elif name.endswith(NATIVE_SUFFIXES):
                self._native[_joined(package, name.split(".")[0])] = path
            while folder:
                self._folders.add(folder.replace("/", "."))
                folder = folder.rpartition("/")[0]

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self._modules:
            found = self._modules[fullname]
            loader = Loader(self.archive, found)
            spec = importlib.machinery.ModuleSpec(
                fullname, loader, origin=loader.get_filename(fullname), is_package=loader.is_package(fullname)
            )
            spec.has_location = True
            if spec.submodule_search_locations is not None:
                spec.submodule_search_locations.append(spec.origin.removesuffix("/__init__.py"))
            return spec
        if fullname in self._native:
            raise ImportError(
                f"{fullname}: {self._native[fullname]} is a native extension, which can't run in the sandbox; "
                "use a package of Python alone",
                name=fullname,
            )
        if fullname in self._folders:
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [self.archive.prefix + fullname.replace(".", "/")]
            return spec
        return None

    def find_distributions(self, context: importlib.metadata.DistributionFinder.Context) -> Iterator[Distribution]:
        """Finds what `importlib.metadata.version` asks for."""
        for name in self.archive.names():
            folder, _, file = name.rpartition("/")
            if file == "METADATA" and folder.endswith(".dist-info"):
                found = folder.split("/")[-1].split("-")[0]
                if context.name is None or _normal(found) == _normal(context.name):
                    yield Distribution(self.archive, folder)


class Distribution(importlib.metadata.Distribution):
    """The metadata of one wheel."""

    def __init__(self, archive: Archive, folder: str) -> None:
        self._archive = archive
        self._folder = folder

    def read_text(self, filename: str) -> str | None:
        try:
            return self._archive.read(f"{self._folder}/{filename}").decode()
        except KeyError:
            return None

    def locate_file(self, path: object) -> object:
        raise FileNotFoundError(2, "a file of a package has no path in the sandbox", str(path))


def adopt(library: Library) -> None:
    """Gives modules of the library that are in the snapshot a loader that knows their source."""
    finder = Finder(library)
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        found = finder.find_spec(name) if spec is not None else None
        if found is not None and spec.origin == found.origin:
            module.__loader__ = spec.loader = found.loader


def _joined(package: str, name: str) -> str:
    return f"{package}.{name}" if package else name


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
