"""The values of each figure, computed from a study or a search. report/figures/ draws them.

A function ..._values(analysis) takes the analysis that the report is made of, and yields one FigureInfo a drawing.
"""
