"""What agentlab costs, measured: `make bench` runs every `bench_*.py` in a process of its own and writes RESULTS.md."""
