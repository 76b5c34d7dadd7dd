"""Jobs in, reports out: one interface to this machine, Ray and SLURM."""
