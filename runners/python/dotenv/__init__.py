"""Stands for the package `python-dotenv`: the sandbox has no `.env`, and keys stay with the host."""

from __future__ import annotations


def load_dotenv(*args: object, **kwargs: object) -> bool:
    return False


def find_dotenv(*args: object, **kwargs: object) -> str:
    return ""


def dotenv_values(*args: object, **kwargs: object) -> dict[str, str | None]:
    return {}
