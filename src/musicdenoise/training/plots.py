"""Pictures of a run: its curves over the validations, and the histogram of SNR improvements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from musicdenoise.runtime.figures import figure_to_png

_BINS = 24


def draw_curves(history: Sequence[Mapping[str, float]]) -> bytes:
    """Loss, mean SNR improvement and learning rate over steps, as PNG.

    Parameters
    ----------
    history
        Records with ``step``, ``loss_db``, ``snr_improvement_db`` and ``learning_rate``; at least one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 7.5), layout="constrained")
    steps = [record["step"] for record in history]
    panels = (
        ("loss_db", "loss [dB]"),
        ("snr_improvement_db", "mean SNR improvement [dB]"),
        ("learning_rate", "learning rate"),
    )
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, (name, label) in zip(axes, panels, strict=True):
        axis.plot(steps, [record[name] for record in history], marker="o", markersize=3)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("step")
    return figure_to_png(figure)


def draw_histogram(gains_db: Sequence[float], step: int) -> bytes:
    """Histogram of the SNR improvements in dB of a validation, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axis = figure.subplots()
    mean = sum(gains_db) / len(gains_db)
    axis.hist(gains_db, bins=_BINS)
    axis.axvline(0.0, color="black", linewidth=1)
    axis.axvline(mean, color="tab:red", linestyle="--", label=f"mean {mean:+.2f} dB")
    axis.set_title(f"SNR improvement of {len(gains_db)} validation mixes at step {step}")
    axis.set_xlabel("SNR improvement [dB]")
    axis.set_ylabel("mixes")
    axis.legend()
    return figure_to_png(figure)
