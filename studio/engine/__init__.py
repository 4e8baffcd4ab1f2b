"""Who runs what, where and when: jobs, their events, turns on a device, models in memory, and three kinds of host.

Read in this order: job, messages, turns, residency, local (the engine itself), hosts; then fleet, placement, roster,
dispatch and hearing (jobs to devices and back); then events, floor (who leads), jobs (the service).
"""
