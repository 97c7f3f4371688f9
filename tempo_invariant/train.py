"""Trains a model: `python -m tempo_invariant.train --flagfile=bl_at.flags`."""

from absl import flags

from tempo_invariant import commands, config
from tempo_invariant.config import AUDIO_NORMALIZATIONS, BLOCKS, PROJECTIONS, ModelConfig
from tempo_invariant.data import schema

USAGE = """Trains the two encoders on records; started again, it goes on where it was interrupted.

    python -m tempo_invariant.train --flagfile=bl_at.flags
    python -m tempo_invariant.train --flagfile=bl.flags --data=data/records --output=runs/bl
"""
MODEL = ModelConfig()
TRAINING = config.TrainingConfig()

flags.DEFINE_string("data", TRAINING.data, "Directory of TFRecord shards.")
flags.DEFINE_string("output", None, "Run directory, made or continued.", required=True)
flags.DEFINE_enum(
    "strategy",
    "mirrored",
    ["default", "mirrored", "multi_worker"],
    "Distribution: one device, all devices of this machine, or the cluster in TF_CONFIG.",
)

flags.DEFINE_integer("frames", MODEL.frames, "Length of an audio excerpt; 20 frames a second.", 1)
flags.DEFINE_bool("attention", MODEL.attention, "Soft attention over the frames.")
flags.DEFINE_integer("embedding_size", MODEL.embedding_size, "Dimensions of the space.", 1)
flags.DEFINE_enum("projection", MODEL.projection, list(PROJECTIONS), "Last layer of both encoders.")
flags.DEFINE_float("cca_alpha", MODEL.cca_alpha, "Weight of a batch in the moving statistics.")
flags.DEFINE_float("cca_regularization", MODEL.cca_regularization, "Added to both variances.")
flags.DEFINE_list("filters", list(map(str, MODEL.filters)), "Channels of the encoders' blocks.")
flags.DEFINE_float("l2", MODEL.l2, "Weight of the squared-norm penalty.", 0)
flags.DEFINE_enum("blocks", MODEL.blocks, list(BLOCKS), "What encoders and attention consist of.")
flags.DEFINE_integer("units", MODEL.units, "Convolutions of a block after its first.", 1)
flags.DEFINE_bool("activation_before_norm", MODEL.activation_before_norm, "ELU, then batch norm.")
flags.DEFINE_list("attention_filters", [], "Channels of the attention's blocks; default: filters.")
flags.DEFINE_enum(
    "audio_normalization",
    MODEL.audio_normalization,
    list(AUDIO_NORMALIZATIONS),
    "Bring every excerpt to one level; pcen: then every band to its own.",
)
flags.DEFINE_float("audio_level", MODEL.audio_level, "The level of --audio_normalization.")

flags.DEFINE_integer("batch_size", TRAINING.batch_size, "Pairs a step, over all replicas.", 2)
flags.DEFINE_integer(
    "passage_pairs",
    TRAINING.passage_pairs,
    "Pairs of a batch that are of one performance, near each other; 1: each drawn by itself.",
    1,
)
flags.DEFINE_integer("epoch_pairs", TRAINING.epoch_pairs, "Random pairs an epoch.", 2)
flags.DEFINE_integer("total_pairs", TRAINING.total_pairs, "Pairs to train on; 0: no limit.", 0)
flags.DEFINE_enum(
    "schedule",
    TRAINING.schedule,
    list(config.SCHEDULES),
    "Constant rate with rounds from the best weights, or warm-up and cosine decay.",
)
flags.DEFINE_integer("patience", TRAINING.patience, "Epochs to wait before the first round.", 1)
flags.DEFINE_integer("rounds", TRAINING.rounds, "Rounds with the rate halved.", 0)
flags.DEFINE_integer("round_patience", TRAINING.round_patience, "Epochs to wait in a round.", 1)
flags.DEFINE_integer("warmup_pairs", TRAINING.warmup_pairs, "Warm-up of the cosine schedule.", 0)
flags.DEFINE_enum("optimizer", TRAINING.optimizer, list(config.OPTIMIZERS), "Optimizer.")
flags.DEFINE_float("learning_rate", TRAINING.learning_rate, "Learning rate at its highest.")
flags.DEFINE_float("weight_decay", TRAINING.weight_decay, "Decoupled decay of adamw, muon.", 0)
flags.DEFINE_float("clip_norm", TRAINING.clip_norm, "Longest gradient; 0: any.", 0)
flags.DEFINE_float("ema_momentum", TRAINING.ema_momentum, "Average the weights; 0: don't.", 0, 1)
flags.DEFINE_enum("loss", TRAINING.loss, list(config.LOSSES), "Hinge or cross-entropy.")
flags.DEFINE_float("temperature", 0.07, "Of the softmax loss at its start; it is learned.")
flags.DEFINE_float("margin", TRAINING.margin, "Margin of the ranking loss.", 0)
flags.DEFINE_bool("symmetric", TRAINING.symmetric, "Rank in both directions (--loss=ranking).")
flags.DEFINE_integer("validation_pairs", TRAINING.validation_pairs, "Pairs ranked an epoch.", 1)
flags.DEFINE_bool("mixed_precision", TRAINING.mixed_precision, "Convolve in 16 bits.")
flags.DEFINE_string("initial_run", "", "Run to begin with the weights of; default: random ones.")
flags.DEFINE_integer("seed", TRAINING.seed, "Of initial weights, pairs and augmentation.")

flags.DEFINE_float("scale", 0.05, "Scale the score by up to this share; 0: off.", 0)
flags.DEFINE_integer("shift_pixels", 5, "Shift the score vertically by up to this; 0: off.", 0)
flags.DEFINE_integer("onset_frames", 1, "Shift the audio by up to this; 0: off.", 0)
flags.DEFINE_bool("tempo", True, "Use performances at all tempos, else at the notated one.")
flags.DEFINE_bool("soundfont", True, "Use all soundfonts, else the first.")
flags.DEFINE_bool("ink", True, "Use all inks, else the first.")
flags.DEFINE_float("stretch", 1.0, "Stretch time by up to this factor; 1: off.", 1)
flags.DEFINE_float("level_db", 0.0, "Change the level by up to this; 0: off.", 0)
flags.DEFINE_float("tuning_cents", 0.0, "Change the tuning by up to this; 0: off.", 0, 60)
flags.DEFINE_float("reverberation_seconds", 0.0, "Add a room that rings this long; 0: off.", 0)
flags.DEFINE_float("equalization_db", 0.0, "Change the balance of bands by up to this; 0: off.", 0)
flags.DEFINE_float("low_cut_hz", 0.0, "Cut what is below a frequency up to this; 0: off.", 0)
flags.DEFINE_float("high_cut_hz", 0.0, "Cut what is above a frequency down to this; 0: off.", 0)
flags.DEFINE_float("noise_snr_db", 0.0, "Add noise down to this ratio; 0: off.", 0, 60)
flags.DEFINE_integer("mask_frames", 0, "Silence up to so many frames in a row.", 0)
flags.DEFINE_integer("mask_bands", 0, "Silence up to so many bands in a row.", 0)
flags.DEFINE_float("varied_share", 0.5, "Excerpts that the eight above vary, as a share.", 0, 1)

for _name in ("filters", "attention_filters"):
    flags.register_validator(
        _name, lambda values: all(value.isdigit() for value in values), "must be numbers"
    )

AUGMENTATION = ["scale", "shift_pixels", "onset_frames", "tempo", "soundfont", "ink"]
AUGMENTATION += ["stretch", "level_db", "tuning_cents", "reverberation_seconds", "equalization_db"]
AUGMENTATION += [
    "low_cut_hz",
    "high_cut_hz",
    "noise_snr_db",
    "mask_frames",
    "mask_bands",
    "varied_share",
]


def main() -> None:
    """Reads the flags into an experiment and trains it."""
    values = flags.FLAGS.flag_values_dict()
    model = {name: values[name] for name in MODEL.to_dict()}
    for name in ("filters", "attention_filters"):
        model[name] = [int(channels) for channels in values[name]]
    if values["loss"] != "softmax":
        model["temperature"] = 0.0
    training = {name: values[name] for name in vars(TRAINING) if name in values}
    training["augmentation"] = {name: values[name] for name in AUGMENTATION}
    experiment = config.Experiment.from_fields(model, training)
    schema.check_data(experiment.training.data)

    from tempo_invariant.training import loop as library

    result = library.train(experiment, values["output"], values["strategy"])
    print(
        f"{values['output']}: {result['epochs']} epochs, best MRR {result['best_mrr']:.3f} "
        f"in epoch {result['best_epoch']}\n"
        f"next: python -m tempo_invariant.{experiment.next_command} --run={values['output']}"
    )


if __name__ == "__main__":
    commands.run(main, USAGE)
