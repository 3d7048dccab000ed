"""Every command that the documentation shows exists, with the options that it shows."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from interlock.cli import main

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ["operations.md", "howto/cli.md", "locks.md"]
_SHOWN = re.compile(r"(?:^\$? ?|`|&& |; |\| )(interlock (?!NOUN)[a-z-][^`\n#|]*)", re.MULTILINE)


def shown(page):
    """Return the command lines of a page; what a text wraps is joined."""
    text = re.sub(r"(`interlock)\n", r"\1 ", (DOCS / page).read_text(encoding="utf-8"))
    return [found.strip() for found in _SHOWN.findall(text)]


def resolved(line):
    """Return the verb of a command line, and the options that are given to it."""
    words = line.partition(" -- ")[0].split()[1:]
    command: click.Command = main
    context = click.Context(main)
    given = []
    skip = False
    for word in words:
        if skip:
            skip = False
            continue
        if word.startswith("--"):
            given.append(word)
            options = {name: p for p in command.params for name in p.opts}
            option = options.get(word)
            skip = isinstance(option, click.Option) and not option.is_flag
        elif isinstance(command, click.Group):
            found = command.get_command(context, word.rstrip(",)"))
            assert found is not None, f"{line}: no verb {word!r}"
            command = found
    known = {name for p in [*command.params, *main.params] for name in (*p.opts, *p.secondary_opts)}
    return command, set(given) - known


@pytest.mark.parametrize("page", PAGES)
def test_what_is_shown_exists(page):
    for line in shown(page):
        command, unknown = resolved(line)
        assert not isinstance(command, click.Group), line
        assert not unknown, line


def verbs(group, before=""):
    """Yield each verb as it is called."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_verb_is_shown():
    page = (DOCS / "howto/cli.md").read_text(encoding="utf-8")
    assert [verb for verb in verbs(main) if verb not in page] == []


def test_the_examples_of_help_exist():
    called = [*verbs(main), *main.list_commands(click.Context(main))]
    helps = [CliRunner().invoke(main, [*name.split(), "--help"]).output for name in called]
    lines = [line.strip() for text in helps for line in text.splitlines()]
    examples = [line.partition(" | ")[0] for line in lines if line.startswith("interlock ")]
    assert len(examples) > 25
    for line in examples:
        command, unknown = resolved(line)
        assert (isinstance(command, click.Group), unknown) == (False, set()), line


@pytest.mark.parametrize("group", ["locks", "elections", "semaphores", "counters", "counter"])
def test_help_lists_verbs_by_whole_sentences(group):
    shown = CliRunner().invoke(main, [group, "--help"]).output
    _, _, listed = shown.partition("Commands:")
    assert listed
    assert "..." not in listed


def test_the_runbooks_use_the_command():
    assert len(shown("operations.md")) > 12
