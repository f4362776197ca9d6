"""musicdenoise: remove noise from songs."""
