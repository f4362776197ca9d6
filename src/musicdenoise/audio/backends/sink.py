"""The file that encoders write into."""

from __future__ import annotations

from io import BufferedRandom


class ByteSink:
    """A binary file that remembers the error of a failed write instead of raising it.

    The encoders call it from native code. libsndfile loses errors in its Ogg and MP3 writers, and
    an exception cannot pass through it.
    """

    def __init__(self, file: BufferedRandom) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write bytes and return how many."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            return len(data)

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, and return the new position."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:  # a seek first flushes what was written before
            self.error = self.error or error
            return offset

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def flush(self) -> None:
        """Do nothing: what is written becomes visible when the file is closed."""

    def close_file(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
