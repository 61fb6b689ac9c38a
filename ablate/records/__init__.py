"""Records of trials: one directory a trial, named by the trial's id. Imports nothing but the leaves.

runs/<trial id>/
    trial.json        everything that defines the trial; its SHA-256 begins with the id
    epochs.jsonl      one line an epoch: errors in percent, losses in nats, times in seconds; validation_* instead of
                      test_* where images were held out and no test image was read
    result.json       the outcome and its provenance; the trial is recorded if this file exists;
                      with the SHA-256 of itself and of epochs.jsonl; beside validation_*, test_* are of the one
                      evaluation of the test images after the last epoch, if the trial has one
    failure.json      why the last attempt failed; removed when an attempt succeeds
    checkpoint-*.pt   the state after an epoch, with its SHA-256 in a file beside it
    log.txt           the output of the worker
    lock              held by the process that trains the trial

runs/imported/<id>/ holds a training by other code, runs/probes/<device>/ timed steps.
"""
