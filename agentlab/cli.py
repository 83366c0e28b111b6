"""The front door: the `agentlab` command.

Commands live in `agentlab.commands`, one module each. Whatever goes wrong is one sentence on standard error and an exit code; a traceback
needs `--debug`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from agentlab.commands import chaos, console, demo, explain, faults, replay, results, run, schema, test
from agentlab.commands.console import INTERRUPTED, SHIP, UNDECIDABLE, USAGE, CommandError, nearest

__all__ = ["app", "main"]

ANY_OPTION = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that hands what it does not know to pytest."""

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from importlib.metadata import version

        console.stdout().print(f"agentlab {version('agentlab-chaos')}")
        raise typer.Exit


@app.callback()
def _top(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (may stand anywhere on the line).")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Find out how an LLM agent behaves on its worst day: every fault at every point, in virtual time, with one verdict.

    \b
    Start here:
      agentlab demo                                        break the reference agent; a verdict and a report
      agentlab test customer_support --agent app:build     break yours
      agentlab faults                                      what can be broken

    \b
    Exit codes of every command:
      0  ship (or simply done)
      1  don't ship
      2  wrong usage or input
      3  undecidable: the run was partial, or the lab could not tell
    """


app.command(short_help="Break the reference agent: the shipped suites, a verdict, a report.")(demo.demo)
app.command("test", short_help="Break your agent and judge it.", context_settings=ANY_OPTION)(test.run_suite)
app.command(short_help="Put faults between a running app and its provider.")(chaos.chaos)
app.add_typer(faults.app, name="faults", short_help="Browse the catalogue of faults and modes.")
app.command(short_help="Say what a finding means and how it is fixed.")(explain.explain)
app.command(short_help="Play one cell of an earlier run again, step by step.")(replay.replay)
app.command(short_help="Render results as one HTML file.")(results.report)
app.command(short_help="Decide from results whether to ship.")(results.gate)
app.command(short_help="Print the JSON schema of suite files.")(schema.schema)
app.command(short_help="Run the reference agent once, scripted.")(run.run)


def _sentence(error: typer.TyperException, line: Sequence[str]) -> str:
    """The one sentence for a command line that cannot be parsed, with the nearest right name."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else _command_of(line)
    option = getattr(error, "option_name", None)
    text = error.format_message().replace("Value error, ", "")  # the words of the validation that typer uses
    if option is not None and text.startswith("No such option"):
        options = [name for parameter in context.command.params for name in parameter.opts] if context is not None else []
        text = f"{command} has no option {option}.{nearest(option, options)}"
    return f"{text if text.endswith(('.', '?')) else text + '.'} See `{command} --help`."


def _command_of(line: Sequence[str]) -> str:
    """The command that a line names: `agentlab faults list`."""
    names = ["agentlab"]
    command: object = typer.main.get_command(app)
    for word in line:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        names.append(word)
    return " ".join(names)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the command's code."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    ours = line.index("--") if "--" in line else len(line)  # behind it stands another program's command line
    debug = "--debug" in line[:ours]
    sys.exit(_execute([word for word in line[:ours] if word != "--debug"] + line[ours:], debug=debug))


def _execute(line: list[str], *, debug: bool) -> int:
    """Run one command line; its exit code."""
    try:
        code = app(line or ["--help"], prog_name="agentlab", standalone_mode=False)
    except typer.TyperException as error:
        return _fail(_sentence(error, line), USAGE)
    except CommandError as error:
        return _fail(traceback.format_exc() if debug else str(error), error.code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except ImportError as error:
        if error.name != "agentlab.faults":  # the entry point: a package's faults cannot be had, and the sentence says whose
            return _broken(error, debug=debug)
        return _fail(traceback.format_exc() if debug else str(error), USAGE)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a sentence instead of a traceback
        return _broken(error, debug=debug)
    return code if isinstance(code, int) else SHIP


def _broken(error: Exception, *, debug: bool) -> int:
    """Something failed that is not the user's to put right."""
    told = f"agentlab itself failed ({type(error).__name__}: {error}); run it again with --debug for the traceback."
    return _fail(traceback.format_exc() if debug else told, UNDECIDABLE)


def _fail(text: str, code: int) -> int:
    """Say what is wrong on standard error, without secrets."""
    from agentlab_suites.masking import Masker

    console.stderr().print(Masker()(text), style="red", markup=False)
    return code


if __name__ == "__main__":
    main()
