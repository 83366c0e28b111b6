"""The matrix: 49 faults, five agents, each as it comes and hardened, with a fallback host and without, in virtual time."""
