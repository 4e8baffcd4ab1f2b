"""Who runs what, where and when: jobs, their events, turns on the device, models in memory, and three kinds of host.

Read in this order: job, messages, turns, residency, local (the engine itself), hosts, events, jobs (the service).
"""
