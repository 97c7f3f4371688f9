"""Every command under one name: `tempo-invariant COMMAND --flag=value`, with its completion."""

import ast
import difflib
import glob
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tempo_invariant import commands

TASKS = {
    "Find the score, and the place in it": ["app", "index", "identify", "follow"],
    "Prepare data": [
        "build_msmd",
        "query_set",
        "photographs",
        "perform",
        "inspect",
        "convert",
        "snippets",
    ],
    "Train": ["train", "refine", "average", "package_model", "calibrate", "training_curves"],
    "Measure": [
        "evaluate",
        "robustness",
        "identification_benchmark",
        "follow_benchmark",
        "live_benchmark",
        "attention_figure",
        "systems_benchmark",
        "library_size_benchmark",
        "search_benchmark",
        "pipeline_benchmark",
    ],
    "Serve": ["export", "server", "query", "health", "load_benchmark"],
    "In the shell": ["completion"],
}
"""Names of the commands by what they are for."""

_SCRIPTS = {
    "bash": """_tempo_invariant() {
    local word line="${COMP_LINE:0:$COMP_POINT}"
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(tempo-invariant completion words "$line" 2>/dev/null)
    # Bash takes what follows the last "=" for the word to be completed.
    [[ "${COMP_WORDS[COMP_CWORD]}" == "=" || "${COMP_WORDS[COMP_CWORD - 1]}" == "=" ]] &&
        COMPREPLY=("${COMPREPLY[@]#*=}")
}
complete -o nospace -F _tempo_invariant tempo-invariant""",
    "zsh": """_tempo_invariant() {
    local -a found
    found=("${(@f)$(tempo-invariant completion words "$LBUFFER" 2>/dev/null)}")
    [[ -n "$found" ]] && compadd -Q -S '' -- "${found[@]}"
}
compdef _tempo_invariant tempo-invariant""",
}
"""What `completion SHELL` prints, for the shell to read."""

_PACKAGES = {
    "tfrecords_tools": TASKS["Prepare data"],
    "serving": ["server", "query", "health", "load_benchmark"],
}


def module_name(command: str) -> str:
    """Returns the module of a command, "serving.server" for one."""
    for package, names in _PACKAGES.items():
        if command in names:
            return f"{package}.{command}"
    return f"tempo_invariant.{command}"


def typed(command: str) -> str:
    """Returns a command's name as it is typed."""
    return command.replace("_", "-")


def names() -> list[str]:
    """Returns the names of all commands."""
    return [name for task in TASKS.values() for name in task]


def overview() -> str:
    """Returns the commands by task, with what each does."""
    lines = ["Names the score that a recording plays, and the place on its page.", ""]
    lines += [
        "    tempo-invariant COMMAND --flag=value ...",
        "    tempo-invariant COMMAND --help",
        "",
    ]
    for task, command_names in TASKS.items():
        lines += [f"{task}:"]
        lines += [f"  {typed(name):26}{summary(name)}" for name in command_names] + [""]
    return "\n".join(lines) + "--version tells the version."


def summary(command: str) -> str:
    """Returns the first line of a command's usage, which is read without importing it."""
    if command == "completion":
        return COMPLETION_USAGE.splitlines()[0].rstrip(".")
    found = importlib.util.find_spec(module_name(command))
    if found is None or found.origin is None:
        return ""
    for node in ast.parse(Path(found.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "USAGE":
            return ast.literal_eval(node.value).splitlines()[0].rstrip(".")
    return ""


def completions(line: str) -> list[str]:
    """Returns what the last word of a command line may become.

    Args:
        line: The command line up to the cursor, `tempo-invariant identify --ra` for one.

    Returns:
        Whole words; those that nothing has to follow end with a space.
    """
    *before, word = re.split(r"(?<!\\) ", line)
    before = [text for text in before if text]
    if len(before) == 1:
        words = [f"{typed(name)} " for name in names()]
    elif before[1:2] == ["completion"]:
        words = [f"{shell} " for shell in _SCRIPTS]
    elif before[1].replace("-", "_") not in names():
        words = []
    elif "=" in word:
        words = _values(before[1].replace("-", "_"), word.partition("=")[0].lstrip("-"), word)
    else:
        words = [
            f"--{flag.name} " if flag.boolean else f"--{flag.name}="
            for flag in _flags(before[1].replace("-", "_"))
        ]
    return [text for text in words if text.startswith(word)]


def _flags(command: str) -> list[flags.Flag]:
    name = module_name(command)
    importlib.import_module(name)
    return commands.key_flags(name)


def _values(command: str, name: str, word: str) -> list[str]:
    """Returns a flag with each of the values that it can take; paths where it takes any text."""
    start, _, value = word.partition("=")
    value = re.sub(r"\\(.)", r"\1", value)
    found = {flag.name: flag for flag in _flags(command)}.get(name)
    if isinstance(found, flags.EnumFlag):
        return [f"{start}={choice} " for choice in found.parser.enum_values]
    if name == "pretrained":
        models = importlib.import_module("tempo_invariant.model.pretrained").names()
        return [f"{start}={model} " for model in models]
    paths = glob.glob(f"{glob.escape(os.path.expanduser(value))}*")
    return [
        f"{start}={_quoted(path)}{'/' if os.path.isdir(path) else ' '}"
        for path in sorted(paths)
        if path.isprintable()
    ]


def _quoted(text: str) -> str:
    """Returns text as it is typed in a shell, which gives no meaning to any character of it."""
    return re.sub(r"([^\w/.,@%+-])", r"\\\1", text)


def _complete(arguments: Sequence[str]) -> None:
    """Prints a shell's script, or the words that it asks for."""
    if len(arguments) == 1 and arguments[0] in _SCRIPTS:
        print(_SCRIPTS[arguments[0]])
    elif len(arguments) == 2 and arguments[0] == "words":
        print("\n".join(completions(arguments[1])))
    else:
        print(COMPLETION_USAGE)


COMPLETION_USAGE = """Completes commands, flags and their values with the tabulator key.

    echo 'eval "$(tempo-invariant completion bash)"' >> ~/.bashrc
    echo 'eval "$(tempo-invariant completion zsh)"' >> ~/.zshrc    # after compinit"""


def main() -> None:
    """Runs the command that is named on the command line."""
    commands.guard(_run)


def _run() -> None:
    named = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if named in ("-h", "--help", "help"):
        print(overview())
        return
    if named == "--version":
        print(f"tempo-invariant {commands.__version__}")
        return
    command = named.replace("-", "_")
    if command == "completion":
        _complete(sys.argv[2:])
        return
    if command not in names():
        close = difflib.get_close_matches(command, names(), 1)
        hint = f"did you mean {typed(close[0])!r}?" if close else "--help lists them"
        print(f"error: no command {named!r}; {hint}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"{sys.argv[0]} {named}", *sys.argv[2:]]
    module = importlib.import_module(module_name(command))
    commands.run(module.main, module.USAGE)
