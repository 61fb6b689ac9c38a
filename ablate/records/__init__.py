"""What happened: one directory a trial, named by the trial's id. A leaf.

runs/<trial id>/
    trial.json        everything that defines the trial; its SHA-256 begins with the id
    epochs.jsonl      a line an epoch: errors in percent, losses in nats, times in seconds; validation_* instead of
                      test_* where training images were held out and no test image was read
    result.json       the outcome and its provenance; its presence means the trial is recorded;
                      with the SHA-256 of itself and of epochs.jsonl
    failure.json      why the last attempt failed, until one succeeds
    checkpoint-*.pt   the state after an epoch, its SHA-256 beside it
    log.txt           what the worker printed
    lock              held by whoever trains the trial

runs/imported/<id>/ is of a training that was run elsewhere, runs/probes/<device>/ of timed steps.
"""
