"""What containers say about themselves, where no library tells: RIFF and AIFF, Ogg, MPEG."""
