"""Where a service runs: what SageMaker and Vertex AI tell a container, and what it does then if nothing else is said.

Both start a container without options, reach it over the network of their own, and let nobody in whom they do not know.
So there, and only there, a service listens beyond this machine without a key.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlwright.core.errors import MlwrightError

#: Where SageMaker unpacks the artifact of a model.
SAGEMAKER_FOLDER = Path("/opt/ml/model")
_EVERYWHERE, _LOOPBACK = "0.0.0.0", "127.0.0.1"  # noqa: S104 - a container's network is its platform's
_PLATFORM_PORT, _PORT = "8080", "8000"
_BLOCK = 2**20


class PortUnfit(MlwrightError):
    """An environment variable says a port that is none."""

    def __init__(self, variable: str) -> None:
        super().__init__("the port is not a number from 1 to 65535", where=variable, fix=f"e.g. {variable}=8080")


class PackageNotFetched(MlwrightError):
    """A package could not be brought here from the URL that was given."""

    def __init__(self, uri: str, error: Exception) -> None:
        super().__init__(
            f"the package cannot be read from there: {type(error).__name__}",
            where=_shown(uri),
            fix="see whether it exists and whether this machine may read it",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is served, and where.

    Attributes
    ----------
    model
        A run, a package, a pointer, or the URL of a folder with a package.
    anybody
        Whether no key is asked for although others than this machine may call.
    """

    model: str
    host: str
    port: int
    anybody: bool = False


def placement(
    environ: Mapping[str, str],
    *,
    model: str | None = None,
    host: str | None = None,
    port: int | None = None,
    sagemaker_folder: Path = SAGEMAKER_FOLDER,
) -> Placement:
    """What was given, and for the rest what the platform says, or else the latest run on loopback (`MLWRIGHT_PORT`).

    Vertex AI is recognised by its variables `AIP_…`; SageMaker, which sets none, by the folder that it unpacks a model into
    (`SM_MODEL_DIR` for another) when no model is given.

    Raises
    ------
    PortUnfit
        If a variable that counts is no port.

    Examples
    --------
    >>> placement({}, sagemaker_folder=Path("/nowhere"))
    Placement(model='latest', host='127.0.0.1', port=8000, anybody=False)
    >>> placement({"AIP_HTTP_PORT": "8080", "AIP_PREDICT_ROUTE": "/predict", "AIP_STORAGE_URI": "gs://bucket/model"})
    Placement(model='gs://bucket/model', host='0.0.0.0', port=8080, anybody=True)
    """
    if "AIP_PREDICT_ROUTE" in environ:
        found, variable = environ.get("AIP_STORAGE_URI") or None, "AIP_HTTP_PORT"
    elif model is None and ("SM_MODEL_DIR" in environ or sagemaker_folder.is_dir()):
        found, variable = environ.get("SM_MODEL_DIR", str(sagemaker_folder)), "SAGEMAKER_BIND_TO_PORT"
    else:
        chosen = _port(environ, "MLWRIGHT_PORT", _PORT) if port is None else port
        return Placement(model=model or "latest", host=host or _LOOPBACK, port=chosen)
    return Placement(
        model=model or found or "latest",
        host=host or _EVERYWHERE,
        port=_port(environ, variable, _PLATFORM_PORT) if port is None else port,
        anybody=True,
    )


def _port(environ: Mapping[str, str], variable: str, otherwise: str) -> int:
    text = environ.get(variable) or otherwise
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise PortUnfit(variable)
    return int(text)


def _shown(uri: str) -> str:
    """Without keys and settings."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def fetched(model: str) -> Iterator[str]:
    """A model's folder on this machine: what is named by a URL (`gs://`, `s3://`, `file://` …) is brought here for as long.

    Raises
    ------
    PackageNotFetched
        If it cannot be read.
    """
    if "://" not in model:
        yield model
        return
    with tempfile.TemporaryDirectory(prefix="mlwright-package-") as folder:
        here = Path(folder) / "model"
        _fetch(model, here)
        yield str(here)


def _fetch(uri: str, here: Path) -> None:
    from pyarrow import ArrowException, fs

    try:
        there, root = fs.FileSystem.from_uri(uri)
        root = root.rstrip("/")
        # Folders are not asked for: Google's store has none unless somebody made one.
        listed = there.get_file_info(fs.FileSelector(root, recursive=True))
        files = [info.path for info in listed if info.type == fs.FileType.File]
        if not files:
            raise FileNotFoundError
        for path in files:
            target = here / path.removeprefix(root).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with there.open_input_stream(path) as stream, target.open("wb") as file:
                while block := stream.read(_BLOCK):
                    file.write(block)
    except (ArrowException, OSError, ValueError) as error:
        raise PackageNotFetched(uri, error) from error
