"""`interlock completion`: what makes a shell complete the command."""

import click

from interlock.cli._group import Verb


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete verbs and options.

    \b
    Examples:
      interlock completion bash >> ~/.bashrc
      interlock completion zsh >> ~/.zshrc
      interlock completion fish > ~/.config/fish/completions/interlock.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has all three
    root = context.find_root()
    click.echo(made(root.command, {}, "interlock", "_INTERLOCK_COMPLETE").source())
