"""Many trials: which runs where and when. It is handed the work as a name and never imports train.

An executor is a function (work, tasks, ...) -> iterator of outcomes: `local` trains in worker processes, `inline` in
this one.
"""
