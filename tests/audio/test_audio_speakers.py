"""More than two channels in Vorbis and Opus, whose order is not that of others: told apart by pitch."""

import av
import numpy as np
import pytest
import soundfile

from musicdenoise.audio import open_writer, read_audio

RATE = 48_000
OPUS_FRAME = 960  # 20 ms
LAYOUTS = {3: "3.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
SUBTYPES = ("VORBIS", "OPUS")


def tones(channels):
    """A pitch for each channel; that of the LFE is low, for encoders keep no others there."""
    pitches = [300.0 + 200.0 * number for number in range(channels)]
    if channels >= 6:
        pitches[3] = 60.0
    time = np.arange(2 * RATE) / RATE
    return np.stack([0.2 * np.sin(2 * np.pi * pitch * time) for pitch in pitches]).astype(np.float32), pitches


def heard(samples):
    """The pitch of each channel in Hz."""
    spectra = np.abs(np.fft.rfft(samples[:, RATE // 2 : RATE // 2 + RATE] * np.hanning(RATE), axis=1))
    return [float(pitch) for pitch in spectra.argmax(axis=1)]


def decoded_by_ffmpeg(path):
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt")
        blocks = [
            converted.to_ndarray().reshape(-1, frame.layout.nb_channels).T
            for frame in container.decode(audio=0)
            for converted in resampler.resample(frame)
        ]
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize("channels", LAYOUTS)
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_other_programs_hear_every_channel_in_its_place(tmp_path, subtype, channels):
    samples, pitches = tones(channels)
    path = tmp_path / "x.ogg"
    with open_writer(
        path, sample_rate=RATE, channels=channels, container="OGG", subtype=subtype, bitrate=64_000 * channels
    ) as writer:
        writer.write(samples)
    assert heard(decoded_by_ffmpeg(path)) == pitches
    assert heard(read_audio(path).samples) == pitches
    assert heard(read_audio(path, start=RATE // 4).samples) == pitches


@pytest.mark.parametrize("channels", [3, 6])
def test_what_other_programs_wrote_has_every_channel_in_its_place(tmp_path, channels):
    samples, pitches = tones(channels)
    path = tmp_path / "x.opus"
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout=LAYOUTS[channels])
        stream.bit_rate = 128_000
        for start in range(0, samples.shape[1], OPUS_FRAME):
            part = samples[:, start : start + OPUS_FRAME].T.reshape(1, -1).copy()
            frame = av.AudioFrame.from_ndarray(part, "flt", LAYOUTS[channels])
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert heard(read_audio(path).samples) == pitches


def test_four_channels_and_plain_formats_stay_in_order(tmp_path):
    samples, pitches = tones(4)
    path = tmp_path / "x.ogg"
    with open_writer(path, sample_rate=RATE, channels=4, container="OGG", subtype="VORBIS") as writer:
        writer.write(samples)
    assert heard(decoded_by_ffmpeg(path)) == heard(read_audio(path).samples) == pitches
    samples, pitches = tones(6)
    soundfile.write(tmp_path / "x.flac", samples.T, RATE)
    assert heard(read_audio(tmp_path / "x.flac").samples) == pitches
