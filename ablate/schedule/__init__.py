"""Which of many trials runs where and when. The work is passed as a name; ablate.train is never imported here.

An executor is a function run(task, on_event) -> Outcome: `local` runs tasks in worker processes, `on_ray` on a Ray cluster,
`inline` in this process.
"""
