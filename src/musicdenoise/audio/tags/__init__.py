"""Tags and pictures, from one format to the next: mutagen, and what it lacks."""
