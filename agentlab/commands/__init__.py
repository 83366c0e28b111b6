"""The commands behind `agentlab`, one module each. The lab is imported inside the commands only, so that `agentlab --help` stays quick."""
