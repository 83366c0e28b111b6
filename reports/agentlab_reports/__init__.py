"""agentlab_reports: results files, score, gate and the report. It can judge a results file on a machine that has no agent."""
