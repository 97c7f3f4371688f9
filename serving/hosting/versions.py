"""The versions of one model: found under a directory, loaded, warmed up, replaced while serving."""

import dataclasses
import itertools
import logging
import threading
from collections.abc import Callable, Mapping, Set
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2, prediction_log_pb2

from serving.hosting.request_validation import (
    InputLimits,
    RequestError,
    check_names,
    decode_inputs,
    graph_error_line,
    invalid,
)
from tempo_invariant.errors import one_line
from tempo_invariant.files import CHECKSUMS, check_checksums
from tempo_invariant.model.versions import find_versions

_log = logging.getLogger(__name__)
State = get_model_status_pb2.ModelVersionStatus
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_WARMUP_REQUESTS = 1000
DEFAULT_SIGNATURE = "serving_default"


class LoadedVersion:
    """One version of a model, ready to answer.

    Args:
        directory: The SavedModel; its name is the version number.
        limits: The most that one request may ask for.
    """

    def __init__(self, directory: Path, limits: InputLimits | None = None):
        self.number = int(directory.name)
        check_checksums(directory, CHECKSUMS)
        self.signature_defs = _read_signature_defs(directory)
        self._limits = limits or InputLimits()
        self._model = tf.saved_model.load(str(directory))
        self._warm_up(directory / WARMUP_FILE)

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """Returns a signature by name; FAILED_PRECONDITION if it is unknown, as TF Serving does."""
        name = name or DEFAULT_SIGNATURE
        if name not in self.signature_defs:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        return self.signature_defs[name]

    def predict(self, request: predict_pb2.PredictRequest) -> dict[str, np.ndarray]:
        """Runs the signature that a request names.

        Returns:
            The outputs that the request asks for, or all.

        Raises:
            RequestError: The request does not fit the signature.
            tf.errors.OpError: The graph refused the values.
        """
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = self.signature(name)
        check_names("output", request.output_filter, signature.outputs)
        inputs = decode_inputs(request.inputs, signature, self._limits)
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        try:
            outputs = self._model.signatures[name](**tensors)
        except UnicodeDecodeError as error:  # TensorFlow refuses bytes, and quotes them
            raise invalid(graph_error_line(error.object.decode("utf-8", "replace"))) from error
        wanted = request.output_filter or outputs
        return {key: outputs[key].numpy() for key in wanted}

    def _warm_up(self, path: Path) -> None:
        if not path.exists():
            return
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        for record in itertools.islice(records, MAX_WARMUP_REQUESTS):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            self.predict(log.predict_log.request)


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What became of one version: a `ModelVersionStatus` state, and the error if there was one."""

    state: int
    error: str = ""


class ModelStore:
    """Keeps the newest versions under a directory loaded.

    A version is a subdirectory with a number for a name. A new one is loaded and warmed up while
    the old ones go on answering; a request holds on to the version that it started with. A
    version that cannot be loaded is reported and tried again when its files change.

    Args:
        base_path: The directory of the version directories.
        name: The model's name in requests.
        versions_kept: Number of the newest versions that are served.
        load: The function that makes a version from its directory.
    """

    def __init__(
        self,
        base_path: str | Path,
        name: str,
        versions_kept: int = 1,
        load: Callable[[Path], LoadedVersion] = LoadedVersion,
    ):
        self.name = name
        self._base_path = Path(base_path)
        self._versions_kept = versions_kept
        self._load = load
        self._loaded: dict[int, LoadedVersion] = {}
        self._statuses: dict[int, VersionStatus] = {}
        self._failed: dict[int, tuple] = {}
        self._stopping = threading.Event()
        self._poller: threading.Thread | None = None

    def refresh(self) -> None:
        """Loads what is new and lets go of what is no longer among the newest that can be loaded.

        The last version that answers stays, even if its directory is gone.
        """
        directories = find_versions(self._base_path)
        serving: list[int] = []
        for number in sorted(directories, reverse=True):
            if len(serving) == self._versions_kept:
                break
            if number in self._loaded or self._load_version(directories[number]):
                serving.append(number)
        if not serving:
            return
        for number in set(self._loaded) - set(serving):
            self._set(number, VersionStatus(State.END))
            _log.info("version %d of %s unloaded", number, self.name)

    def get(self, version: int | None = None) -> LoadedVersion:
        """Returns a version, the newest one by default.

        Raises:
            RequestError: NOT_FOUND if it is not loaded.
        """
        loaded = self._loaded
        number = max(loaded, default=None) if version is None else version
        if number is None or number not in loaded:
            which = "Latest" if version is None else "Specific"
            detail = self.name if version is None else f"{self.name}, {version}"
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {which}({detail})"
            )
        return loaded[number]

    @property
    def newest(self) -> int | None:
        """Number of the version that answers requests which name none."""
        return max(self._loaded, default=None)

    @property
    def signatures(self) -> Set[str]:
        """Names of the signatures of all versions that are loaded."""
        return {name for version in self._loaded.values() for name in version.signature_defs}

    @property
    def statuses(self) -> Mapping[int, VersionStatus]:
        """The status of every version seen so far, by number."""
        return self._statuses

    def start_polling(self, seconds: float) -> None:
        """Calls `refresh` every `seconds` in a thread of its own, until `stop`."""

        def poll() -> None:
            while not self._stopping.wait(seconds):
                try:
                    self.refresh()
                except OSError as error:
                    _log.warning("cannot look for new versions: %s", one_line(error))
                except Exception:  # a defect: the versions that are loaded go on
                    _log.exception("cannot look for new versions")

        self._poller = threading.Thread(target=poll, name="version-poller", daemon=True)
        self._poller.start()

    def stop(self) -> None:
        """Ends the polling."""
        self._stopping.set()
        if self._poller:
            self._poller.join()

    def _load_version(self, directory: Path) -> bool:
        number = int(directory.name)
        fingerprint = _fingerprint(directory)
        if self._failed.get(number) == fingerprint:
            return False
        self._set(number, VersionStatus(State.LOADING))
        try:
            version = self._load(directory)
        except Exception as error:  # whatever is wrong with one version, the others go on
            self._failed[number] = fingerprint
            self._set(number, VersionStatus(State.END, graph_error_line(error)))
            _log.error(
                "version %d of %s cannot be loaded: %s", number, self.name, graph_error_line(error)
            )
            return False
        self._set(number, VersionStatus(State.AVAILABLE), version)
        _log.info("version %d of %s loaded", number, self.name)
        return True

    def _set(
        self, number: int, status: VersionStatus, version: LoadedVersion | None = None
    ) -> None:
        # Readers take the dictionaries as they are, so they are replaced and never changed.
        loaded = {key: value for key, value in self._loaded.items() if key != number}
        self._loaded = loaded | ({number: version} if version else {})
        self._statuses = self._statuses | {number: status}


def _read_signature_defs(directory: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    path = directory / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if "serve" in meta_graph.meta_info_def.tags:
            definitions = meta_graph.signature_def.items()
            return {name: value for name, value in definitions if not name.startswith("__")}
    raise ValueError(f"{path} has no graph with the tag 'serve'")


def _fingerprint(directory: Path) -> tuple:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
