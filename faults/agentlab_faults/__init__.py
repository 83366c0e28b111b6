"""agentlab_faults: break any agent the way providers, tools and stores really fail, in virtual time, the same way every time."""
