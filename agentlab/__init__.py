"""agentlab: a reference agent runtime with every reliability layer, and the front door to the lab that breaks it."""
