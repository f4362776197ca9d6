# musicdenoise in a container; songs are mounted at /songs:
#
#   docker build -t musicdenoise .                            # processors
#   docker build -t musicdenoise --build-arg COMPUTE=cu130 .  # NVIDIA GPUs with CUDA 13
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/songs" musicdenoise denoise song.mp3
#   docker run --rm --gpus all -u "$(id -u):$(id -g)" -v "$PWD:/songs" musicdenoise denoise song.mp3 --cuda
FROM python:3.12-slim

# The part of PyTorch's index that is taken: cpu, cu126, cu128, cu130.
ARG COMPUTE=cpu
RUN pip install --no-cache-dir "torch>=2.6,<2.16" torchaudio --index-url "https://download.pytorch.org/whl/${COMPUTE}"

COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN pip install --no-cache-dir /source && rm -r /source

# Any user may run it, and writes the cache here.
ENV MUSICDENOISE_CACHE=/tmp/musicdenoise MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /songs
ENTRYPOINT ["musicdenoise"]
CMD ["--help"]
