"""What containers say about themselves, as far as no library tells.

- ``riff``: libsndfile keeps the chunks of WAV and AIFF to itself, and takes a cut-off file for a short one.
- ``ogg``: libsndfile and FFmpeg leave damaged pages out without a word; encoders number streams at random.
- ``mpeg``: libsndfile guesses the length of MP3 files, and decoders stop where one is damaged or joined.
- ``flac``: decoders trust a header that other programs leave open or wrong.
- ``mp4``: FFmpeg plays a file that breaks off as though it ended there.
- ``adts``: raw AAC has no name of its own at its beginning.
"""
