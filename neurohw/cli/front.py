"""The front of the command line: one line for every mistake, and the exit status.

0 all is well; 1 a verdict of ``compare`` fails; 2 wrong usage or input; 70 a bug; 130 interrupted;
141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from neurohw.errors import NeurohwError

__all__ = ["Front", "fail"]

# Typer has carried click inside itself since 0.26; its public name leads to the right class.
ClickException: Any = typer.BadParameter.__mro__[2]


def fail(what: str, **details: Any) -> NoReturn:
    """End with one line about wrong usage; ``details`` as for :class:`NeurohwError`."""
    raise NeurohwError(what, **details)


class Front(TyperGroup):
    """A group that turns every exception into a line on stderr and an exit status."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command and exit."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
            sys.stdout.flush()
        except NeurohwError as error:
            if os.environ.get("NEUROHW_TRACEBACK", "") not in ("", "0"):
                traceback.print_exc()
            code = _line(str(error))
        except KeyboardInterrupt:
            code = _interrupted()
        except BrokenPipeError:
            code = _unheard()
        except typer.Abort:
            code = _interrupted()
        except ClickException as error:
            code = self._usage(error)
        except Exception as error:
            traceback.print_exc()
            code = _line(f"a bug, please report it with the lines above: {error!r}", 70)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """As ever, but Ctrl-C and a closed pipe are ours: click has statuses of its own."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(_interrupted()) from None
        except BrokenPipeError:
            raise typer.Exit(_unheard()) from None

    @staticmethod
    def _usage(error: Any) -> int:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return 2
        text = error.format_message().rstrip(".")
        context = getattr(error, "ctx", None)
        hint = f"; see {context.command_path} --help" if context is not None else ""
        return _line(text[:1].lower() + text[1:] + hint, error.exit_code)


def _line(text: str, code: int = 2) -> int:
    print("error: " + " ".join(text.split()), file=sys.stderr)
    return code


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return 130


def _unheard() -> int:
    """Standard output was closed, as in ``neurohw show ... | head``: what a shell calls SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain once more at exit
    return 141
