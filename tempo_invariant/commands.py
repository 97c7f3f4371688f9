"""How every command starts and ends: flags, one-line errors, exit codes."""

import os
import sys
from collections.abc import Callable

from absl import app, flags, logging

from tempo_invariant.errors import UserError
from tempo_invariant.files import DISK_FULL, is_disk_full


def run(main: Callable[[], None], usage: str) -> None:
    """Parses flags, calls `main` and turns expected errors into one line and an exit code.

    Exit codes: 0 success, 1 a `UserError` or a full disk, 2 a wrong or missing flag or a stray
    argument, 130 an interruption from the keyboard.

    Args:
        main: takes nothing; reads flags through `flags.FLAGS`.
        usage: what `--help` prints above the flags.
    """
    sys.modules["__main__"].__doc__ = usage
    # TensorFlow is imported later and speaks about itself at length.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.WARNING)
    try:
        app.run(lambda argv: _guarded(main, argv), flags_parser=_parse)
    except BrokenPipeError:  # the reader of the output has left, `... | head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _parse(argv: list[str]) -> list[str]:
    flags.FLAGS.set_gnu_getopt(True)
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)
    except SystemExit:
        # Raised after --help and its variants were printed; absl means exit code 1.
        sys.exit(0)
    except flags.Error as error:
        message = " ".join(str(error).split())
        print(f"error: {message} (--help lists the flags)", file=sys.stderr)
        sys.exit(2)


def _guarded(main: Callable[[], None], argv: list[str]) -> None:
    if len(argv) > 1:
        print(f"error: unexpected argument {argv[1]!r} (--help lists the flags)", file=sys.stderr)
        sys.exit(2)
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if not is_disk_full(error):
            raise
        path = getattr(error, "filename", None) or "output"
        print(f"error: {path}: {DISK_FULL}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
