"""What all packages use: whole files, processes, interrupts, devices, memory, figures."""
