"""A network as an ONNX file, for programs without PyTorch: what stands between STFT and inverse STFT.

The file has one input, ``noisy``, and one output, ``estimate``: real ``(channels, 1025, frames, 2)``, with
real and imaginary parts on the last axis; see `musicdenoise.core.real_dcunet`. Numbers of channels and
frames are free. Its metadata say which STFT goes around it, and under which licence it is.

References: https://onnx.ai/onnx/repo-docs/IR.html; https://onnxruntime.ai.
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch

from musicdenoise.core.dcunet import DCUNet
from musicdenoise.core.real_dcunet import RealDCUNet
from musicdenoise.errors import UsageError, WeightsError
from musicdenoise.runtime.atomic import make_folder, write_bytes
from musicdenoise.weights.loading import load_weights
from musicdenoise.weights.store import WeightsStore

LARGEST_DIFFERENCE_DB = -90.0
"""How much the file may differ from the network: rounding of float32 gives about -116 dB."""

_OPSET = 17  # the first with all that is needed; ONNX Runtime reads it since 1.12
_NEEDED = ("onnx", "onnxruntime")
_EXAMPLE_FRAMES = 131
_CHECKED_SHAPES = ((1, 40), (2, 200), (3, 115))  # channels and frames, others than those of the example


def export_onnx(
    name_or_path: str | Path, path: Path, *, store: WeightsStore | None = None, overwrite: bool = False
) -> float:
    """Write a network as an ONNX file, which is checked in ONNX Runtime before.

    Parameters
    ----------
    name_or_path
        The network, as for `load_weights`.
    path
        The file.
    store
        Where pretrained networks are kept; the user's cache folder by default.
    overwrite
        Whether an existing file is replaced.

    Returns
    -------
    float
        Difference between the file and the network, in dB relative to the network's output.

    Raises
    ------
    UsageError
        If onnx or ONNX Runtime is not installed.
    WeightsError
        If there is no such network, it is of a family that cannot be exported, PyTorch cannot express it, the
        file differs from it, or the file cannot be written.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} must be installed for ONNX files: pip install 'musicdenoise[onnx]'"
        )
    if path.exists() and not overwrite:
        raise WeightsError(f"{path}: already exists; {{overwrite}} replaces it", overwrite=False)
    network, metadata = load_weights(name_or_path, store)
    if not isinstance(network, DCUNet):
        raise WeightsError(
            f"{name_or_path}: is of the family 'fine', and only networks of the family 'dcunet' can be "
            "exported"
        )
    facts = {
        "musicdenoise": metadata.noise_kind,
        "licence": metadata.licence,
        "stft": json.dumps(asdict(metadata.stft)),
    }
    try:
        content = _onnx(network, facts)
    except torch.onnx.errors.OnnxExporterError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{path}: was not written, because PyTorch {torch.__version__} cannot express it: {reason}"
        ) from error
    difference = _difference_db(content, network)
    if not difference <= LARGEST_DIFFERENCE_DB:
        raise WeightsError(
            f"{path}: was not written, because it differs from the network by {difference:.0f} dB; please "
            "report this, with the versions of torch, onnx and onnxruntime"
        )
    make_folder(path.parent, WeightsError)
    write_bytes(path, content, WeightsError)
    return difference


def _onnx(network: DCUNet, facts: dict[str, str]) -> bytes:
    """The file's content, with facts about it."""
    import onnx

    example = torch.randn(2, 1025, _EXAMPLE_FRAMES, 2, generator=torch.Generator().manual_seed(0))
    free = {0: "channels", 2: "frames"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        # The exporter that records a run: the other one cannot prove that the sizes of the layers fit for
        # every number of frames, and takes a minute.
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            RealDCUNet(network).eval(),
            (example,),
            file,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["noisy"],
            output_names=["estimate"],
            dynamic_axes={"noisy": free, "estimate": free},
        )
        model = onnx.load(file)
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _difference_db(content: bytes, network: DCUNet) -> float:
    """Largest difference between the file and the network over spectrograms of several shapes, in dB."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    worst = -math.inf
    for channels, frames in _CHECKED_SHAPES:
        noisy = torch.randn(channels, 1025, frames, 2, generator=generator)
        (found,) = session.run(["estimate"], {"noisy": noisy.numpy()})
        with torch.no_grad():
            wanted = torch.view_as_real(network(torch.view_as_complex(noisy)[None])[0])
        share = (torch.from_numpy(found) - wanted).square().sum() / wanted.square().sum()
        worst = max(worst, 10.0 * math.log10(max(float(share), 1e-30)))
    return worst
