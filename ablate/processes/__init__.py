"""One protocol between a process and the child processes that it starts and supervises.

`parent.Child` is the child as its parent sees it, `child.Parent` the parent as the child sees it. They exchange pickled
messages through the child's standard input and output, which nothing else uses.

To the child: STOP, END, or anything else, which is work. From the child, tuples whose first item names their kind:

    ("event", {...})        progress; an empty dict is a heartbeat
    ("stop?",)              asks whether to stop; the answer is the next message to the child
    ("ended", ...)          the work has ended, with its status; an error of the work is described in words
    ("raised", ...)         the work has ended by this exception

A child reports that its work failed and keeps running. A child that dies sends nothing: receive() raises ChildEnded.
A child ends as soon as its input closes. The system closes the input when the parent dies, for any reason; on Linux it also
kills the child.
"""
