"""What every room stands on: whole files, processes, interrupts, devices, memory, figures."""
