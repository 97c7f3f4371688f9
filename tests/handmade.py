"""An MSMD directory in the published layout, written by hand and not by this project's writer."""

from pathlib import Path

import numpy as np
from PIL import Image

PIECE = "BachCPE__cpe-bach-rondo__cpe-bach-rondo"
SYSTEMS = ((150, 40, 735, 80), (400, 20, 755, 81))
"""Top, left, width and height of the systems of every page."""

HEADS_PER_SYSTEM = 6


def item(key: str, kind: str, value) -> str:
    return f'\t\t<DataItem key="{key}" type="{kind}">{value}</DataItem>'


def crop_object(identifier: int, name: str, box, links: str, items: list[str]) -> str:
    top, left, width, height = box
    data = "\n".join(["  <Data>", *items, "  </Data>"]) if items else ""
    return f"""<CropObject xml:id="msmd_aug___x-P00___{identifier}">
  <Id>{identifier}</Id>
  <ClassName>{name}</ClassName>
  <Top>{top}</Top>
  <Left>{left}</Left>
  <Width>{width}</Width>
  <Height>{height}</Height>
  <Mask>0:0 1:{width * height}</Mask>
  {links}
{data}
</CropObject>"""


def head_box(system: int, number: int) -> tuple[int, int, int, int]:
    """Box of a note head; number 5 stands one pixel right of number 4, at another height."""
    left = SYSTEMS[system][1] + 60 + 100 * min(number, 4) + (1 if number == 5 else 0)
    return (SYSTEMS[system][0] + 10 + 12 * number, left, 9, 7)


def onset_of(page: int, system: int, number: int, stretch: float) -> float | None:
    """Seconds at which a head sounds; number 3 is tied; 4 and 5 are a chord."""
    if number == 3:
        return None
    return round(((page * 2 + system) * 2.5 + 0.52 * min(number, 4)) * stretch, 6)


def make_piece(
    root: Path, piece: str = PIECE, performances=("tempo-900_YamahaGrandPiano",), pages: int = 2
) -> Path:
    """Writes a piece of two systems a page; performance `tempo-900_...` lasts 0.9 of the time."""
    folder = root / piece
    score = folder / "scores" / f"{piece}_ly"
    for name in ("img", "coords", "mung"):
        (score / name).mkdir(parents=True)
    (folder / f"{piece}.ly").write_text("{ c'4 }\n")
    (folder / "meta.yml").write_text("n_pages: 2\n")
    names = [f"{piece}_{performance}" for performance in performances]
    stretches = [int(p.split("_")[0].removeprefix("tempo-")) / 1000 for p in performances]
    events: list[list] = [[] for _ in names]
    for page in range(pages):
        image = np.full((1181, 835), 255, np.uint8)
        objects, centres = [], []
        for system in range(len(SYSTEMS)):
            system_id = 1000 + 10 * page + system
            inlinks = []
            for number in range(HEADS_PER_SYSTEM):
                identifier = page * 100 + system * 10 + number
                inlinks.append(str(identifier))
                top, left, width, height = head_box(system, number)
                image[top : top + height, left : left + width] = 10 * (1 + number) + system
                centres.append((top + height / 2, left + width / 2))
                items = [item("tied", "int", int(number == 3))]
                items.append(item("midi_pitch_code", "int", 60 + number))
                for name, stretch, rows in zip(names, stretches, events, strict=True):
                    seconds = onset_of(page, system, number, stretch)
                    if seconds is None:
                        continue
                    frame = int(np.ceil(round(seconds * 20, 6)))
                    items.append(item(f"{name}_onset_frame", "int", frame))
                    items.append(item(f"{name}_note_event_idx", "int", len(rows)))
                    items.append(item(f"{name}_onset_seconds", "float", seconds))
                    rows.append((seconds, 60 + number, 0.4, 0, 0))
                link = f"<Outlinks>{system_id}</Outlinks>"
                box = head_box(system, number)
                objects.append(crop_object(identifier, "notehead-full", box, link, items))
            link = f"<Inlinks>{' '.join(inlinks)}</Inlinks>"
            objects.append(crop_object(system_id, "staff", SYSTEMS[system], link, []))
        stem = f"{page + 1:02d}"
        Image.fromarray(image).save(score / "img" / f"{stem}.png")
        np.save(score / "coords" / f"notes_{stem}.npy", np.array(centres))
        body = "\n".join(objects)
        (score / "mung" / f"{stem}.xml").write_text(
            f'<?xml version="1.0" encoding="utf-8"?>\n<CropObjectList>\n<CropObjects>\n{body}\n'
            "</CropObjects>\n</CropObjectList>\n"
        )
    for name, rows in zip(names, events, strict=True):
        features = folder / "performances" / name / "features"
        features.mkdir(parents=True)
        notes = np.array(rows)
        frames = int(notes[-1, 0] * 20) + 30
        spectrogram = np.arange(92 * frames).reshape(92, frames) % 97 / 50
        np.save(features / f"{name}_spec.npy", spectrogram.astype(np.float32))
        np.save(features / f"{name}_notes.npy", notes)
        np.save(features / f"{name}_onsets.npy", np.ceil(notes[:, 0] * 20).astype(np.float32))
        np.save(features / f"{name}_midi.npy", np.zeros((128, frames), np.uint8))
    return folder
