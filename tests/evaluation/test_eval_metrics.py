"""The figures of an evaluation, recomputed independently on ten pairs."""

import numpy as np
import pytest
import torch
from eval_data import RATE, end_process, make_items, read, rewrite
from pesq import pesq
from pystoi import stoi
from scipy.signal import resample_poly

from musicdenoise.core.metrics import log_spectral_distance
from musicdenoise.core.resample import resample
from musicdenoise.errors import DataError, UsageError
from musicdenoise.evaluation.evaluate import MetricReport, evaluate
from musicdenoise.evaluation.items import EvalItem, load_item
from musicdenoise.evaluation.measures import (
    MEASURES,
    choose_measures,
    improvements,
    missing_measures,
    speech_waves,
)
from musicdenoise.evaluation.speech import LONGEST_SECONDS, measure_speech
from musicdenoise.evaluation.systems import System, baseline, baseline_systems, installed_baselines

PAIRS = 10


def halve(item) -> torch.Tensor:
    """A system: half of the noise is taken away."""
    return item.clean + 0.5 * (item.noisy - item.clean)


SYSTEMS = [baseline("identity"), System(name="half", process=halve)]


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[EvalItem]:
    folder = tmp_path_factory.mktemp("pairs")

    def write(name: str, samples, subtype: str):
        from musicdenoise.audio import open_writer

        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with open_writer(path, sample_rate=RATE, channels=2, container="WAV", subtype=subtype) as writer:
            writer.write(np.asarray(samples, dtype=np.float32))
        return path

    return make_items(write, PAIRS)


@pytest.fixture(scope="module")
def report(items: list[EvalItem]) -> MetricReport:
    return evaluate(items, SYSTEMS, MEASURES, workers=1)


def signals(item: EvalItem, system: str) -> tuple[np.ndarray, np.ndarray]:
    clean, noisy = read(item.clean), read(item.noisy)
    estimate = clean + 0.5 * (noisy - clean) if system == "half" else noisy
    return clean, estimate.astype(np.float32).astype(np.float64)


def rows(report: MetricReport, items: list[EvalItem]):
    by_id = {item.id: item for item in items}
    assert len(report.rows) == 2 * PAIRS
    return [(row, *signals(by_id[row.item], row.system)) for row in report.rows]


def test_snr_and_si_sdr_by_three_lines_of_numpy(report, items) -> None:
    for row, clean, estimate in rows(report, items):
        expected = 10 * np.log10(np.sum(clean**2) / np.sum((clean - estimate) ** 2))
        assert row.values["snr_db"] == pytest.approx(expected, abs=1e-4)
        target = np.sum(clean * estimate) / np.sum(clean**2) * clean
        expected = 10 * np.log10(np.sum(target**2) / np.sum((target - estimate) ** 2))
        assert row.values["si_sdr_db"] == pytest.approx(expected, abs=1e-4)


def test_ssnr_frame_by_frame(report, items) -> None:
    for row, clean, estimate in rows(report, items):
        ratios = []
        for channel in range(2):
            for start in range(0, clean.shape[1] - 1440 + 1, 720):
                c, e = clean[channel, start : start + 1440], estimate[channel, start : start + 1440]
                ratio = 10 * np.log10((np.sum(c**2) + 1e-30) / (np.sum((c - e) ** 2) + 1e-30))
                ratios.append(min(max(ratio, -10.0), 35.0))
        assert row.values["ssnr_db"] == pytest.approx(np.mean(ratios), abs=1e-4)


def test_pesq_and_stoi_by_the_packages_themselves(report, items) -> None:
    for row, clean, estimate in rows(report, items):
        mono = [wave.mean(0) for wave in (clean, estimate)]
        ours = [torch.from_numpy(wave).float()[None] for wave in mono]
        for rate, mode in ((16_000, "wb"), (8_000, "nb")):
            pair = [resample(wave, RATE, rate)[0].numpy() for wave in ours]
            assert row.values[f"pesq_{mode}"] == pytest.approx(pesq(rate, *pair, mode), abs=1e-3)
            # By another resampler: the band edge differs a little, the figure hardly.
            other = [resample_poly(wave, rate // 100, RATE // 100) for wave in mono]
            assert row.values[f"pesq_{mode}"] == pytest.approx(pesq(rate, *other, mode), abs=0.15)
        assert row.values["stoi"] == pytest.approx(stoi(*mono, RATE), abs=1e-4)


def test_improvements_are_over_the_noisy_input(report, items) -> None:
    for item in items:
        before, after = (
            next(r for r in report.rows if (r.item, r.system) == (item.id, s)) for s in ("identity", "half")
        )
        assert all(before.values[measure.gain_key] == 0.0 for measure in MEASURES)
        assert after.values["snr_improvement_db"] == pytest.approx(20 * np.log10(2), abs=1e-3)
        assert after.values["lsd_improvement_db"] == pytest.approx(
            before.values["lsd_db"] - after.values["lsd_db"]
        )
        assert after.values["lsd_improvement_db"] > 0.0
        assert after.input_snr_db == before.values["snr_db"]


def test_log_spectral_distance_by_the_definition(tune) -> None:
    reference = tune[:1, :30_000].double()
    estimate = reference + 0.01 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(0))
    levels = []
    window = np.hanning(2049)[:-1]
    for wave in (reference, estimate):
        padded = np.pad(wave[0].numpy(), 1024, mode="reflect")
        frames = np.stack([padded[i : i + 2048] * window for i in range(0, len(padded) - 2047, 512)])
        levels.append(np.abs(np.fft.rfft(frames)) ** 2)
    floor = 1e-8 * levels[0].max()
    logs = [10 * np.log10(np.maximum(power, floor)) for power in levels]
    expected = np.mean(np.sqrt(np.mean((logs[0] - logs[1]) ** 2, axis=1)))
    assert log_spectral_distance(reference, estimate) == pytest.approx(expected, rel=1e-3)
    assert log_spectral_distance(reference, reference) == 0.0


def test_speech_of_long_signals_is_taken_from_the_middle() -> None:
    clean = torch.zeros(2, round((LONGEST_SECONDS + 10) * 8_000))
    clean[:, len(clean[0]) // 2] = 1.0
    (reference, estimate, rate) = speech_waves(choose_measures("pesq-nb"), clean, -clean, 8_000)["pesq_nb"]
    assert rate == 8_000
    assert len(reference) == len(estimate) == LONGEST_SECONDS * 8_000
    assert reference[len(reference) // 2] == 1.0 == -estimate[len(reference) // 2]


def test_measures_that_are_not_defined_are_left_empty() -> None:
    silence = np.zeros(16_000, dtype=np.float32)
    assert measure_speech({"pesq_wb": (silence, silence, 16_000), "stoi": (silence, silence, 16_000)}) == {
        "pesq_wb": None,
        "stoi": None,
    }
    assert improvements(
        choose_measures("stoi"), {"snr_db": 1.0, "stoi": None}, {"snr_db": 2.0, "stoi": 0.5}
    ) == {
        "snr_improvement_db": 1.0,
        "stoi_improvement": None,
    }


def test_a_worker_that_dies_is_no_mystery(items, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicdenoise.evaluation.speech.measure_speech", end_process)
    with pytest.raises(DataError, match=r"process that measures PESQ or STOI died.*fewer workers"):
        evaluate(items[:1], SYSTEMS, choose_measures("stoi"), workers=1)


def test_metrics_are_picked_by_name() -> None:
    assert [measure.name for measure in choose_measures("PESQ-WB, lsd")] == ["snr", "lsd", "pesq_wb"]
    with pytest.raises(UsageError, match="no metric 'visqol'"):
        choose_measures("visqol")


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pesq" else object())
    assert [measure.name for measure in missing_measures()] == ["pesq_wb", "pesq_nb"]
    assert [measure.name for measure in choose_measures(None)] == ["snr", "ssnr", "si_sdr", "lsd", "stoi"]
    with pytest.raises(UsageError, match=r"'pesq_nb' needs the package pesq.*musicdenoise\[eval\]"):
        choose_measures("pesq_nb")


def test_items_that_fail_are_told_and_the_others_measured(write_wav) -> None:
    good, bad, silent = make_items(write_wav, 3, seconds=0.5)
    bad.noisy.write_bytes(b"RIFF nothing")
    silent.clean.unlink()
    write_wav("clean/item2.wav", np.zeros((2, 22_050)), subtype="FLOAT")
    report = evaluate([good, bad, silent], SYSTEMS, choose_measures("snr"))
    assert {row.item for row in report.rows} == {good.id}
    assert [failure.what for failure in report.failures] == [bad.id, silent.id]
    assert "is silent" in report.failures[1].reason
    with pytest.raises(DataError, match="none of the 1 items"):
        evaluate([bad], SYSTEMS, choose_measures("snr"))
    with pytest.raises(UsageError, match="two systems are named 'half'"):
        evaluate([good], [SYSTEMS[1], SYSTEMS[1]], choose_measures("snr"))


def test_the_oracle_is_a_wiener_mask_and_beats_the_noisy_input(items) -> None:
    report = evaluate(items[:2], [baseline("oracle")], choose_measures("snr"))
    for row in report.rows:
        # The reference figure of this mask on real music is 10 to 14 dB at these SNRs.
        assert 8.0 < row.values["snr_improvement_db"] < 25.0


def test_with_a_noise_sample_only_what_follows_it_is_measured(items) -> None:
    def leave_the_rest(item) -> torch.Tensor:
        """Perfect where it is not measured, and halves the noise elsewhere."""
        estimate = item.clean + 0.5 * (item.noisy - item.clean)
        estimate[:, : item.measured_from] = item.clean[:, : item.measured_from]
        return estimate

    systems = [SYSTEMS[0], System(name="rest", process=leave_the_rest)]
    report = evaluate(items[:1], systems, choose_measures("snr"), noise_sample_seconds=0.5)
    clean, noisy = (read(path)[:, round(0.5 * RATE) :] for path in (items[0].clean, items[0].noisy))
    before = 10 * np.log10(np.sum(clean**2) / np.sum((clean - noisy) ** 2))
    assert report.rows[0].values["snr_db"] == pytest.approx(before, abs=1e-4)
    assert report.rows[1].values["snr_improvement_db"] == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_the_noise_sample_is_what_differs_at_the_beginning(items) -> None:
    loaded = load_item(items[3], 0.25)
    count = round(0.25 * RATE)
    assert loaded.measured_from == count
    expected = read(items[3].noisy)[:, :count] - read(items[3].clean)[:, :count]
    np.testing.assert_allclose(loaded.noise_sample, expected, atol=1e-6)
    assert load_item(items[3]).noise_sample is None


def test_items_without_a_noise_sample_are_failures(write_wav) -> None:
    good, short, quiet, ends = make_items(write_wav, 4, seconds=1.6)
    for path in (short.clean, short.noisy):
        rewrite(write_wav, path, read(path)[:, : round(1.4 * RATE)])
    noisy, clean = read(quiet.noisy), read(quiet.clean)
    noisy[:, : round(0.5 * RATE)] = clean[:, : round(0.5 * RATE)]
    rewrite(write_wav, quiet.noisy, noisy)
    clean = read(ends.clean)
    clean[:, round(0.5 * RATE) :] = 0.0
    rewrite(write_wav, ends.clean, clean)
    report = evaluate([good, short, quiet, ends], SYSTEMS, choose_measures("snr"), noise_sample_seconds=0.5)
    assert {row.item for row in report.rows} == {good.id}
    reasons = {failure.what: failure.reason for failure in report.failures}
    assert "1.40 s long; with a noise sample of 0.5 s it must have at least 1.5 s" in reasons[short.id]
    assert "no noise in its first 0.5 s" in reasons[quiet.id]
    assert "no music after its first 0.5 s" in reasons[ends.id]


@pytest.mark.parametrize("name", ["noisereduce", "noisered", "afftdn"])
def test_baselines_with_a_noise_sample_remove_that_noise(name: str, write_wav) -> None:
    if name not in installed_baselines(with_sample=True):
        pytest.skip(f"{name} is not installed")
    item = make_items(write_wav, 5, seconds=2.6)[4]  # 8 dB
    system = baseline(name, with_sample=True)
    assert system.name == f"{name} + sample"
    (row,) = evaluate([item], [system], choose_measures("snr"), noise_sample_seconds=1.0).rows
    # In step with the input, or there would be a loss. Each gains 3 to 10 dB on white noise.
    assert row.values["snr_improvement_db"] > 1.5


@pytest.mark.skipif("afftdn" not in installed_baselines(), reason="ffmpeg is not installed")
def test_afftdn_learns_noise_of_any_level(write_wav) -> None:
    gains = []
    (item,) = make_items(write_wav, 1, seconds=2.6)
    systems = [baseline("afftdn", with_sample=True)]
    for level in (1.0, 0.01):
        for path in (item.clean, item.noisy):
            rewrite(write_wav, path, level * read(path))
        (row,) = evaluate([item], systems, choose_measures("snr"), noise_sample_seconds=1.0).rows
        gains.append(row.values["snr_improvement_db"])
    assert gains[0] == pytest.approx(gains[1], abs=0.5)
    assert min(gains) > 3.0


@pytest.mark.parametrize("name", ["noisereduce", "afftdn"])
def test_installed_baselines_stay_in_step_with_the_input(name: str, items) -> None:
    if name not in installed_baselines():
        pytest.skip(f"{name} is not installed")
    loaded = load_item(items[9])  # nearly clean
    estimate = baseline(name).process(loaded)
    assert estimate.shape == loaded.noisy.shape
    size = 1 << 18
    spectra = [torch.fft.rfft(wave[0], n=size) for wave in (loaded.clean, estimate)]
    assert int(torch.fft.irfft(spectra[1] * spectra[0].conj()).argmax()) == 0


def test_unknown_and_missing_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no baseline 'magic': choose from identity"):
        baseline("magic")
    with pytest.raises(UsageError, match=r"noisered needs a sample of the noise: give noise_sample"):
        baseline("noisered")
    assert "noisered" not in installed_baselines()
    assert [system.name for system in baseline_systems("identity", with_sample=True)] == ["identity"]
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UsageError, match="noisered is not installed here: install sox"):
        baseline("noisered", with_sample=True)
    with pytest.raises(UsageError, match="afftdn is not installed here: install ffmpeg"):
        baseline("afftdn")
