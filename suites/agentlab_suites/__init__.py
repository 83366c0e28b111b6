"""agentlab_suites: scenario suites for pytest, played against every degradation mode."""
