"""The page for people: `python -m tempo_invariant.app`."""

import os
import sys
from pathlib import Path

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.errors import UserError
from tempo_invariant.model import choices

USAGE = """Opens a page in the browser: your scores, what a recording plays, and your own playing.

    tempo-invariant app
    tempo-invariant app --index=my_scores-index
    tempo-invariant app --host=0.0.0.0 --nobrowser

Drop scores and recordings on the page, or let it listen while you play. It is served by this
machine, for this machine, and needs no network. With another --host, other devices reach it by an
address with a token, which is printed; they get no microphone unless --certificate and --key make
it HTTPS. Ends with Ctrl-C.
"""

commands.define_output(
    "index",
    None,
    "Directory of the index of scores; default: tempo-invariant-index in your music. Scores that "
    "are dropped on the page come to NAME beside NAME-index.",
    directory=True,
)
flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 is every one.")
flags.DEFINE_integer(
    "port", None, "Port to listen on, 0 for a free one; default: 8421, or the next.", 0, 65535
)
flags.DEFINE_boolean("browser", True, "Open the page in the browser.")
commands.define_output(
    "record", None, "Directory that keeps what was heard; default: nothing is.", directory=True
)
commands.define_input("certificate", None, "Certificate for HTTPS, a PEM file.")
commands.define_input("key", None, "Key of --certificate, a PEM file.")
flag_sets.define_model_flags()


def main() -> None:
    """Serves the page until Ctrl-C."""
    values = flags.FLAGS
    if bool(values.certificate) != bool(values.key):
        raise UserError("--certificate and --key go together")
    from tempo_invariant.web import running
    from tempo_invariant.web.desk import Desk, check_index
    from tempo_invariant.web.model import open_model

    index = Path(values.index or default_index())
    choice = flag_sets.model_choice(choices.check, check_index(index))
    choices.check(choice["kind"], choice["name"], choice.get("weights"))  # or that is told at once
    place = running.Place(values.host, values.port, values.certificate, values.key)
    record = Path(values.record) if values.record else None

    def make_desk(work: Path) -> Desk:
        return Desk(index, lambda: open_model(choice), choice["name"], work, record=record)

    running.serve(place, make_desk, values.browser)
    running.leave()


def default_index() -> Path:
    """Returns where the library is if nothing is said: in the folder for music, if there is one."""
    home = Path.home()
    if sys.platform == "win32":
        other = Path(os.environ.get("LOCALAPPDATA") or home)
    elif sys.platform == "darwin":
        other = home / "Library" / "Application Support"
    else:
        other = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    music = home / "Music"
    return (music if music.is_dir() else other) / "tempo-invariant-index"


if __name__ == "__main__":
    commands.run(main, USAGE)
