"""The component: CPython, everything a script may import, and `run`.

`componentize-py` imports this module once, when the runner is built, and keeps CPython's memory. So
what stands here at the top level costs nothing when a script runs: the modules below are imported,
and the rest of the standard library is packed. Nothing here may depend on the machine that builds.
"""

from __future__ import annotations

import gc
import importlib.machinery
import os
import sys

# What most scripts import. Each makes the snapshot larger, and with it the start of every run: rarer
# modules come from the packed library.
import argparse
import asyncio
import base64
import collections
import concurrent.futures
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import enum
import functools
import hashlib
import hmac
import html
import inspect
import io
import itertools
import json
import logging
import math
import operator
import pathlib
import pprint
import queue
import random
import re
import secrets
import shlex
import statistics
import string
import subprocess
import tempfile
import textwrap
import threading
import time
import traceback
import typing
import unicodedata
import urllib.parse
import uuid
import weakref

import componentize_py_types
import wit_world

import anthropic
import coo
import dotenv
import openai
from coo_runner import archive, library, refusals, script

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + "/"
# Not of `os`, which is frozen and was never read from a file.
_LIBRARY_FOLDER = os.path.dirname(argparse.__file__)


class WitWorld:
    """The exports of the component."""

    def run(self, envelope: str) -> str:
        try:
            return script.run(envelope, _OWN_FOLDER)
        except script.Failed as failed:
            message = failed.args[0]
        raise componentize_py_types.Err(message)


def _prepare_snapshot() -> None:
    """Leaves an interpreter that finds modules in memory alone."""
    packed = library.pack(_LIBRARY_FOLDER)
    archive.adopt(packed)
    finder = archive.Finder(packed)
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        refusals.Finder(),
        finder,
    ]
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.path.clear()
    refusals.install()
    gc.collect()
    # Objects of the snapshot are never garbage: a collection that visits them would touch its pages.
    gc.freeze()


_prepare_snapshot()
