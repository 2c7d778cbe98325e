"""Commands to go on with, called as this one was, with the caller's own options."""

from __future__ import annotations

import sys

from ablation.program import command_here


def next_command(*words: str) -> str:
    """A command to go on with, called as this one was, with the caller's own options."""
    own = [] if words == tuple(sys.argv[1:]) else _own_options(sys.argv[1:])
    return command_here(*map(_without_password, (*words, *own)))


def same_command(*more: str) -> str:
    """This very command, with more words unless it has them."""
    given = sys.argv[1:]
    words = [*given, *(word for word in more if word not in given)]
    return command_here(*map(_without_password, words))


def _without_password(word: str) -> str:
    """A word of a command, a storage's URL without its password: logs keep what is printed."""
    if "://" not in word:
        return word
    from ablation.storage import display_url

    option, url = ("--storage=", word[10:]) if word.startswith("--storage=") else ("", word)
    return option + display_url(url)


def _own_options(words: list[str]) -> list[str]:
    options = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("--storage", "--results"):
            options += [word, following]
        elif word.startswith(("--storage=", "--results=")):
            options.append(word)
    return options
