"""The frame of every command: flags, help, errors in one line, exit codes."""

import contextlib
import logging
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from absl import flags

from tempo_invariant import __version__, extras, files, flag_files, progress, quiet, shipped
from tempo_invariant.errors import UserError, one_line, printable

flags.disclaim_key_flags()  # what is defined here is a flag of the command that asks for it

_NEEDED = " is needed"
_FAULTS = {
    r"invalid literal for int\(\).*": "must be a whole number",
    "could not convert string to float.*": "must be a number",
    "is not number": "is not a number",
}
"""What Python and absl say of values, and how it is told."""

_HELP = {"--help", "-help", "-h", "-?", "--helpshort", "--helpfull"}

_inputs: dict[str, Mapping[str, str]] = {}
"""Flags that name what must be there, with the words that stand for other values."""

_outputs: dict[str, Callable[[str], None]] = {}
"""Flags that name what is written, with what checks that it can be."""

_checks: dict[str, Callable[[str], object]] = {}
"""Flags that name what is read, with what checks that it is of the right kind."""


def run(main: Callable[[], None], usage: str) -> None:
    """Parses flags, calls `main` and turns expected errors into one line and an exit code.

    What can be seen to be wrong before the work begins ends the command before it: flags, inputs
    that are missing, outputs that cannot be written.

    Exit codes: 0 success, 1 a `UserError`, a file that cannot be read or written, or too little
    memory, 2 a wrong or missing flag or a stray argument, 130 an interruption from the keyboard,
    141 (as of any program that a closed pipe ends) that nobody reads the output any more.

    Args:
        main: Function without arguments, which reads flags through `flags.FLAGS`.
        usage: Text that `--help` prints above the flags.
    """
    _prepare()

    def work() -> None:
        if _HELP & set(sys.argv[1:]):
            print(help_text(usage, key_flags(main.__module__)))
        elif "--version" in sys.argv[1:]:
            print(f"tempo-invariant {__version__}")
        else:
            _parse(sys.argv)
            main()

    guard(work)


def guard(work: Callable[[], None]) -> None:
    """Calls a function and turns expected errors into one line and an exit code; see `run`."""
    try:
        if sys.stdout is None:  # it is closed
            sys.stdout = open(os.devnull, "w")
        work()
        sys.stdout.flush()
    except UserError as error:
        _end(1, _of_flags(str(error)))
    except BrokenPipeError:  # the reader of the output has left, `... | head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except MemoryError:
        _end(1, "there is not enough memory for this")
    except ModuleNotFoundError as error:
        command = os.path.basename(sys.argv[0]).rpartition(" ")[2].removesuffix(".py")
        if not (told := extras.explain(error, command)):
            raise
        _end(1, told)
    except Exception as error:
        path = getattr(error, "filename", None) or "output"
        if files.is_disk_full(error):
            if path == "output":  # what is still to be printed would fail again
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _end(1, f"{path}: {files.DISK_FULL}")
        if not isinstance(error, OSError) or error.strerror is None:
            raise
        _end(1, f"{path}: {error.strerror}")


def _prepare() -> None:
    """Sets up what is printed: progress, warnings in one line, nothing of TensorFlow's own."""
    quiet.install()
    handler = progress.LogHandler()
    handler.addFilter(_new_message())
    form = "note: %(message)s"
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format=form, force=True)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # names of files need not be text
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    progress.show()


def _new_message() -> Callable[[logging.LogRecord], bool]:
    """Returns a filter of warnings: a file that is read twice is warned of once."""
    seen: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        new = record.levelno != logging.WARNING or record.getMessage() not in seen
        seen.add(record.getMessage())
        return new

    return is_new


def _end(code: int, message: str) -> None:
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(code)


def _parse(argv: Sequence[str]) -> None:
    """Reads the flags; ends the command if one of them cannot be right."""
    flags.FLAGS.set_gnu_getopt(True)
    try:
        arguments = flag_files.expand(argv[1:])
        texts = [argument.text for argument in arguments]
        if fault := _fault(texts):
            origins = (a.origin for a in arguments if _fault([a.text]) == fault)
            origin = "" if fault.endswith(_NEEDED) else next(origins, "")
            raise flags.Error(f"{origin}: {fault}" if origin else fault)
        _check_numbers()
    except flags.Error as error:
        _end(2, f"{one_line(error, 400)} (--help lists the flags)")
    _check_paths()


def _fault(arguments: Sequence[str]) -> str:
    """Reads arguments, and says in a line what is wrong with them; nothing if nothing is."""
    try:
        stray = flags.FLAGS([sys.argv[0], *arguments])[1:]
    except (flags.Error, ValueError) as error:
        text = re.sub(
            r"flag --\w+=None: Flag (--\w+) must have .*", rf"\1{_NEEDED}", one_line(error)
        )
        for python, words in _FAULTS.items():
            text = re.sub(python, words, text)
        if text.startswith("--") and text.endswith(_NEEDED):  # a stray argument explains more
            flags.FLAGS[text.removeprefix("--").removesuffix(_NEEDED)].value = ""
            other = _fault(arguments)
            return text if not other or other.endswith(_NEEDED) else other
        return text.removeprefix("flag ")
    if not stray:
        return ""
    hint = f"; did you mean --flagfile={stray[0]}?" if stray[0].endswith(".flags") else ""
    return f"unexpected argument {stray[0]!r}{hint}"


def _check_numbers() -> None:
    for name, value in flags.FLAGS.flag_values_dict().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise flags.Error(f"--{name}={value}: must be a finite number")


def _check_paths() -> None:
    """Refuses inputs that are missing or of a wrong kind, and outputs that cannot be made.

    Raises:
        UserError: The message names the flag.
    """
    values = flags.FLAGS
    for name, words in _inputs.items():
        given = values[name].value
        if isinstance(given, str) and not os.path.exists(given):
            values[name].value = given = words.get(given) or shipped.find(given)
        elif isinstance(given, list):
            values[name].value = given = [*map(shipped.find, given)]
        for path in given if isinstance(given, list) else [given] if given else []:
            if path not in words and not os.path.exists(path):
                fault = files.why_no_file(path, "file or directory")
                raise UserError(f"--{name}={path}: {fault}")
    for name, check in (*_checks.items(), *_outputs.items()):
        given = values[name].value or []
        for path in given if isinstance(given, list) else [given]:
            if path not in _inputs.get(name, {}):
                with naming(name):
                    check(path)


@contextlib.contextmanager
def naming(name: str, *others: str) -> Iterator[None]:
    """Has the message of a `UserError` in the block begin with the flag whose value is wrong.

    Args:
        name: Name of the flag.
        *others: Names of flags that are meant by messages that begin with their values.
    """
    try:
        yield
    except UserError as error:
        text = str(error)
        if _of_flags(text) != text:  # it names an argument, which is this flag or another
            raise
        for flag in (name, *others):
            given = flags.FLAGS[flag].value
            for value in given if isinstance(given, list) else [given]:
                if value and re.match(rf"{re.escape(value)}(:| (is|has|holds) )", text):
                    raise UserError(f"--{flag}={text}") from error
        raise UserError(f"--{name}: {text}") from error


def _of_flags(message: str) -> str:
    """Returns the message of a library about an argument as one about the flag of this name."""
    name, _, fault = message.partition(" ")
    is_flag = name in flags.FLAGS and fault.startswith("must ")
    return f"--{name}: {fault}" if is_flag else message


def define_input(
    name: str,
    default: str | None,
    meaning: str,
    required: bool = False,
    many: bool = False,
    words: Mapping[str, str] | None = None,
    check: Callable[[str], object] | None = None,
) -> None:
    """Defines a flag that names a file or directory that must be there.

    Args:
        name: Name of the flag.
        default: Value where none is given.
        meaning: Help text.
        required: Whether it has to be given.
        many: Whether it takes several, with commas between them.
        words: Words that stand for other values.
        check: Function that raises `UserError` for a path of what is of a wrong kind, before
            anything slow begins.
    """
    define: Callable[..., Any] = flags.DEFINE_list if many else flags.DEFINE_string
    define(name, default, meaning, required=required)
    _inputs[name] = words or {}
    if check:
        _checks[name] = check


def define_output(
    name: str,
    default: str | None,
    meaning: str,
    required: bool = False,
    directory: bool = False,
    picture: bool = False,
) -> None:
    """Defines a flag that names a file, or a directory, to be written.

    Args:
        name: Name of the flag.
        default: Value where none is given.
        meaning: Help text.
        required: Whether it has to be given.
        directory: Whether it is a directory, which may be there already.
        picture: Whether it is a picture, whose kind its name tells.
    """
    flags.DEFINE_string(name, default, meaning, required=required)
    check = files.check_output_picture if picture else files.check_output_file
    _outputs[name] = files.check_output_directory if directory else check


def define_other_name(name: str, flag: str) -> None:
    """Defines another name of a flag, which no help shows: the one that it had before, say."""
    flags.DEFINE_alias(name, flag, module_name=__name__)


def key_flags(module: str) -> list[flags.Flag]:
    """Returns the flags of a command by the name of its module, in the order of definition."""
    return flags.FLAGS.get_key_flags_for_module(module)


def help_text(usage: str, shown: Sequence[flags.Flag]) -> str:
    """Returns the help of a command.

    Args:
        usage: Text above the flags.
        shown: Flags of the command.
    """
    width = min(100, shutil.get_terminal_size().columns)
    lines = [usage.rstrip(), "", "flags:"]
    for flag in sorted(shown, key=_is_required, reverse=True):
        head = f"  {_flag_form(flag)}"
        text = re.sub(r"^<.*?>: |;\s+repeat this option.*", "", flag.help)  # absl adds these
        text += " (required)" * _is_required(flag)
        body = textwrap.wrap(text, width - 28)
        if len(head) > 26:
            lines.append(head)
        else:
            body[0] = f"{head:28}{body[0]}"
        lines += [line if line.startswith("  --") else f"{'':28}{line}" for line in body]
    return "\n".join([*lines, "", "--flagfile=FILE reads flags from a file."])


def _is_required(flag: flags.Flag) -> bool:
    return any("other than None" in validator.message for validator in flag.validators)


def _flag_form(flag: flags.Flag) -> str:
    """Returns a flag as it is typed, with its default value or what stands for a value."""
    if flag.boolean:
        return f"--{'[no]' if flag.default else ''}{flag.name}"
    if isinstance(flag, flags.EnumFlag):
        choices = flag.parser.enum_values
        chosen = [flag.default] if flag.default else []
        return f"--{flag.name}={'|'.join([*chosen, *(c for c in choices if c != flag.default)])}"
    if flag.default not in (None, [], ""):
        return f"--{flag.name}={str(flag.default_as_str).strip(chr(39))}"
    return f"--{flag.name}={_kind(flag)}"


def _kind(flag: flags.Flag) -> str:
    if _outputs.get(flag.name) is files.check_output_directory:
        return "DIR"
    if flag.name in _inputs or flag.name in _outputs:
        return "PATH"
    kinds = {"int": "N", "float": "X"}
    return kinds.get(flag.parser.flag_type(), "TEXT")
