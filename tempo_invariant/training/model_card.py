"""The card of a trained model, from its run directory: data, training, results, limits.

Every number is taken from a report: results from the `evaluation-*.json` about exactly these
weights, training from `history.jsonl`, data from the records themselves.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tempo_invariant.config import Experiment
from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.metrics import COLUMNS, cell
from tempo_invariant.evaluation.retrieval import timing
from tempo_invariant.geometry import (
    FRAMES_PER_SECOND,
    NEAR,
    PAGE_WIDTH,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
    SYSTEM_HEIGHT,
)
from tempo_invariant.model.network import size_line
from tempo_invariant.training import sources


def neutral(experiment: Experiment) -> Experiment:
    """Returns an experiment without the paths of its records, initial run and teacher.

    It has as many directories of records as before, under the names that `best.flags` has for them.
    """
    count = len(schema.directories(experiment.training.data))
    names = [_records(experiment), "data/records_verovio"]
    names += [f"data/records_{number}" for number in range(3, count + 1)]
    training = dataclasses.replace(
        experiment.training,
        initial_run=Path(experiment.training.initial_run).name,
        teacher=Path(experiment.training.teacher).name,
        data=",".join(names[:count]),
    )
    return dataclasses.replace(experiment, training=training)


def _records(experiment: Experiment) -> str:
    """Returns the usual name of the directory of MSMD's records for a model."""
    return "data/records_near" if experiment.model.staves == NEAR else "data/records"


def data_summary(data: str | Path, weights: Path) -> dict[str, dict[str, Any]]:
    """Summarises the records of one directory or of several, see `schema.directories`.

    Args:
        data: The directories.
        weights: As for `_directory_summary`, whose result that is, added up over the directories.

    Raises:
        UserError: As there.
    """
    summary: dict[str, dict[str, Any]] = {}
    for directory in schema.directories(data):
        for split, found in _directory_summary(directory, weights).items():
            before = summary.get(split)
            summary[split] = {n: _sum(before[n], v) for n, v in found.items()} if before else found
    return summary


def _sum(one: Any, other: Any) -> Any:
    """Adds numbers, or numbers by name, and unites lists."""
    if isinstance(one, dict):
        return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}
    return sorted({*one, *other}) if isinstance(one, list) else round(one + other, 4)


def _directory_summary(data: str | Path, weights: Path) -> dict[str, dict[str, Any]]:
    """Summarises the records that a model was trained on.

    Args:
        data: Directory of records.
        weights: Weights file of the model, which must be newer than the records.

    Returns:
        For each split `pieces`, `pairs` and `hours`, the `soundfonts` and `tempi` of its
        performances, and how many pieces of which of the `corpora` it has.

    Raises:
        UserError: There are no records, they are damaged, or newer than the weights.
    """
    infos = schema.read_info(data)
    info = Path(data) / schema.INFO_NAME
    if info.stat().st_mtime > weights.stat().st_mtime:
        raise UserError(f"{data}: written after {weights}, which has not learned from it")
    summary = {}
    for split, found in infos.items():
        soundfonts, tempi, pieces = set(), set(), set()
        for record in schema.read_records(data, split) if found.records else ():
            pieces.add(record.piece)
            soundfonts.add(record.soundfont)
            tempi.add(round(record.tempo, 3))
        summary[split] = {
            "pieces": found.pieces,
            "pairs": found.pairs,
            "hours": found.hours,
            "soundfonts": sorted(soundfonts),
            "tempi": sorted(tempi),
            "corpora": dict(sorted(Counter(map(sources.corpus, pieces)).items())),
        }
    return summary


def markdown(card: dict[str, Any], experiment: Experiment) -> str:
    """Returns the model card as Markdown.

    Args:
        card: Content of `card.json`, as `packaging.package` writes it.
        experiment: Experiment of the model, as `neutral` returns it.
    """
    parts = [
        f"# {card['name']}\n\n{_introduction(card, experiment)}",
        f"## Data\n\n{_data(card)}",
        f"## Training\n\n{_training(card, experiment)}",
        f"## Results\n\n{_results(card)}",
        f"## Limits\n\n{_limits(card, experiment)}",
        f"## Licence\n\n{_licence(card)}",
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(card: dict[str, Any], experiment: Experiment) -> str:
    model = experiment.model
    attention = "with a soft attention over its frames" if model.attention else "without attention"
    if model.attention and model.attention_rest:
        attention += ", which never hears the first and the last"
    near = (
        f"with a piano's staves brought to a height of {SYSTEM_HEIGHT} pixels where they exceed it"
    )
    return (
        f"Embeds {_window(experiment)} of piano audio ({model.frames} spectrogram frames, "
        f"{attention}) and snippets of sheet music ({SNIPPET_WIDTH} x {SNIPPET_HEIGHT} pixels of a "
        f"page {PAGE_WIDTH} pixels wide, centred on a note head"
        f"{', ' + near if model.staves == NEAR else ''}) in one space of "
        f"{model.embedding_size} dimensions, where what belongs together is near. "
        f"{size_line(card['parameters'], card['multiply_adds'])}, {card['bytes'] / 1e6:.1f} MB.\n\n"
        "```\n"
        f"tempo-invariant evaluate --pretrained={card['name']} --data={_records(experiment)}\n"
        f"tempo-invariant export --pretrained={card['name']} --output=exports/{card['name']}\n"
        "```\n\n"
        "`experiment.json` holds architecture and training, by the names of the flags of "
        "`tempo-invariant train`; `card.json` holds the numbers of this card in full. The weights "
        f"(`{card['source']}` of the training run) have the SHA-256\n"
        f"`{card['weights_sha256']}`."
    )


def _window(experiment: Experiment) -> str:
    return f"{experiment.model.frames / FRAMES_PER_SECOND:.1f} s"


def _data(card: dict[str, Any]) -> str:
    text = (
        "Scores, engraved, played by synthesisers and aligned note by note. Training, validation "
        "and test have no piece in common."
    )
    learned = card["data"].get("train", {})
    corpora = "\n".join(f"- {sources.CORPORA[name]}" for name in _corpora(card))
    if not learned:
        return f"{text}\n\n{corpora}"
    rows = ["| split | pieces | pairs | hours | sounds | played | tempi |", "| --- " * 7 + "|"]
    for split, found in card["data"].items():
        fonts = ", ".join(sources.soundfonts(found["soundfonts"]))
        ways = ", ".join(sources.ways_of_playing(found["soundfonts"]))
        tempi = ", ".join(f"{tempo:g}" for tempo in found["tempi"])
        rows.append(
            f"| {split} | {_pieces(found)} | {found['pairs']:,d} | "
            f"{found['hours']:.2f} | {fonts} | {ways} | {tempi} |"
        )
    table = "\n".join(rows)
    every = {sound for found in card["data"].values() for sound in found["soundfonts"]}
    sounds = "\n".join(
        f"- {sources.sound_line(font, presets)}"
        for font, presets in sources.soundfonts(every).items()
    )
    meaning = (
        "A pair is a note head and the moment at which it is played. Pairs and hours are those of "
        "all performances; a tempo of 1 is as notated, 2 is twice as fast. The sounds:"
    )
    return "\n\n".join([text, corpora, table, meaning, sounds])


def _corpora(card: dict[str, Any]) -> list[str]:
    """Returns the names of the corpora that a model learned from; of early models that of MSMD."""
    return list(card["data"].get("train", {}).get("corpora", {})) or [sources.MSMD]


def _training(card: dict[str, Any], experiment: Experiment) -> str:
    settings, done = experiment.training, card["training"]
    variations = _variations(experiment)
    varied = ", ".join(f"{name} {_value(value)}" for name, value in variations.items())
    passages = f" in passages of {settings.passage_pairs}" if settings.passage_pairs > 1 else ""
    text = (
        f"{settings.loss.capitalize()} loss, {settings.optimizer}, learning rate "
        f"{settings.learning_rate:g}, {settings.schedule} schedule, batches of "
        f"{settings.batch_size} pairs{passages}, seed {settings.seed}. What was varied, by the "
        f"names of the flags of `tempo-invariant train`: {varied or 'nothing'}."
    )
    if "tempo" not in variations:
        text += " Of a piece it heard the performances at the tempo nearest to the notated one."
    if settings.initial_run:
        same = settings.initial_run == card["name"]
        begun = "an earlier version of this model" if same else f"the run `{settings.initial_run}`"
        text += f" It began with the weights of {begun}."
    if settings.teacher:
        text += (
            f" It was taught by the model `{settings.teacher}`: the distance from that one's "
            f"embeddings is a term of its loss, with a weight of {settings.teacher_weight:g}."
        )
    if settings.data_weights:
        drawn = zip(settings.data_weights, settings.data.split(","), strict=True)
        weights = ", ".join(f"{weight} for those of `{name}`" for weight, name in drawn)
        text += f" Pairs were drawn with a weight of {weights}."
    if done["pairs"]:
        text += (
            f" {done['pairs']:,d} pairs; the best validation MRR, {done['best_mrr']:.3f} among "
            f"{settings.validation_pairs:,d} pairs, came in epoch {done['best_epoch']} of "
            f"{done['epochs']} ({settings.epoch_pairs:,d} pairs each)."
        )
    if settings.ema_momentum:
        text += f" The weights are a moving average over the steps ({settings.ema_momentum:g})."
    if averaged := card.get("averaging"):
        began = averaged["other"] == settings.initial_run
        text += (
            " The weights are an average of those of that epoch, with a share of "
            f"{averaged['share']:g}, and those "
            f"{'that it began with' if began else 'of `' + averaged['other'] + '`'}."
        )
    return text


def _variations(experiment: Experiment) -> dict[str, Any]:
    """Returns the fields of the augmentation that have an effect."""
    augmentation = experiment.training.augmentation
    fields = {name: value for name, value in dataclasses.asdict(augmentation).items() if value}
    if augmentation.stretch == 1:
        del fields["stretch"]
    if not augmentation.varies_spectrograms:
        fields.pop("varied_share", None)
    if not augmentation.wears_snippets:
        fields.pop("worn_share", None)
    return fields


def _value(value: Any) -> str:
    if value is True:
        return "on"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _results(card: dict[str, Any]) -> str:
    if not card["evaluations"]:
        return "These weights have not been evaluated."
    head = ["split", "sound", "tempo", "pairs", "pieces", "query", *COLUMNS.values()]
    rows = [head, ["---"] * len(head)]
    for report in card["evaluations"]:
        condition = [
            report["split"],
            _heard(card, report) + timing(report),
            f"{report['tempo']:g}",
            f"{report['pairs']:,d}",
            _pieces(report),
        ]
        for direction, values in report["results"].items():
            rows.append(condition + [direction, *(cell(name, values[name]) for name in COLUMNS)])
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    text = (
        "Pairs of the split were taken at even spacing, and the partner of each was sought among "
        "all of them. R@k is the share of queries whose partner is among the first k, in per cent; "
        "MRR the mean of 1 / rank; MR the median rank; in brackets 95 % bootstrap intervals over "
        "pieces."
    )
    if any(report.get("future", 1) < 1 for report in card["evaluations"]):
        text += (
            " An excerpt lies around its note: where the future is not heard, what follows the "
            "note is silent, as when one listens while it is played."
        )
    return f"{text}\n\n{lines}"


def _pieces(found: dict[str, Any]) -> str:
    """Returns how many pieces of which corpora there are; of early models their number alone."""
    corpora = found.get("corpora") or {"": found["pieces"]}
    return ", ".join(f"{count} {name}".strip() for name, count in corpora.items())


def _heard(card: dict[str, Any], report: dict[str, Any]) -> str:
    """Names the sound of an evaluation: where none was chosen, the first by name of each piece."""
    if report["soundfont"]:
        return report["soundfont"]
    sounds = card["data"].get(report["split"], {}).get("soundfonts", [])
    return sounds[0] if len(sounds) == 1 else "the first by name"


def _limits(card: dict[str, Any], experiment: Experiment) -> str:
    model, varied = experiment.model, _variations(experiment)
    limits = [
        "Learned from and measured on synthesised piano and engraved pages: the numbers above say "
        "nothing of other instruments, of handwriting, or of scans and rooms that were not "
        "simulated.",
        f"Hears {_window(experiment)} at once and sees {SNIPPET_WIDTH} pixels: passages that are "
        "printed twice look alike.",
    ]
    if model.audio_normalization == "none" and "level_db" not in varied:
        limits.append(
            "Depends on the level of the audio: log10(1 + x) of a quieter recording is another "
            "picture. Amplify (`--gain_db`) what was recorded at another level than the training's."
        )
    if "stretch" not in varied:
        limits.append("Tempi were not varied beyond those of the performances it learned from.")
    absent = [what for name, what in _DAMAGE.items() if name not in varied]
    if absent:
        limits.append(f"Not part of its training: {', '.join(absent)}.")
    if card["training"]["end"] is False:
        limits.append("Its training was cut short: it had not come to the end of its schedule.")
    return "\n".join(f"- {text}" for text in limits)


_DAMAGE = {
    "tuning_cents": "other tunings",
    "reverberation_seconds": "rooms",
    "equalization_db": "other balance of high and low",
    "low_cut_hz": "small loudspeakers and telephones, which cut the low notes",
    "noise_snr_db": "noise",
}
"""Fields of the augmentation, and what a model trained without each has not met."""


def _licence(card: dict[str, Any]) -> str:
    licences = [sources.LICENCES[name] for name in _corpora(card)]
    licences += sources.sound_licences(card["data"].get("train", {}).get("soundfonts", ()))
    return (
        "The weights are published under the Apache License 2.0, as the package is. "
        f"{' '.join(licences)} Neither scores nor sounds are part of the weights."
    )


def summary(card: dict[str, Any], others: Sequence[str]) -> str:
    """Returns the lines for the screen: contents of the card, and the reports left out."""
    lines = [
        f"{card['name']}: {card['bytes'] / 1e6:.2f} MB; evaluations in its card: "
        f"{len(card['evaluations'])}"
    ]
    if others:
        lines.append(f"left out, about other weights of the run: {', '.join(others)}")
    return "\n".join(lines)
