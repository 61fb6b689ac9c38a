"""The drawing of every figure from plain values. Nothing here reads a report, a record or a study.

A function draw_...(values, title, caption, badge) takes the values that its file defines, and the texts of open_canvas().
"""
